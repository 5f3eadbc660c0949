package guest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Deployment is one bootable tree of an ostree host.
type Deployment struct {
	// OSName is the stateroot, Checksum the commit, Serial tells two
	// deployments of one commit apart.
	OSName   string
	Checksum string
	Serial   int
	// Version is the commit's; empty when it has none.
	Version string
	// Origin is the refspec ("remote:ref" or "ref") that upgrades follow, or
	// what stands there instead; empty when ostree does not know its kind.
	Origin string
	// Booted is the running one. Staged waits to be written at shutdown,
	// Pending will boot next, Rollback was there before the booted one.
	Booted, Staged, Pending, Rollback bool
	Pinned                            bool
	// Unlocked is "development", "hotfix" or "transient"; empty when locked.
	Unlocked string
}

// Ref is Origin without its remote.
func (d Deployment) Ref() string {
	if _, ref, ok := strings.Cut(d.Origin, ":"); ok {
		return ref
	}
	return d.Origin
}

// ErrNoOSTree means that the guest is no ostree host.
var ErrNoOSTree = errors.New("the guest was not booted from an ostree deployment")

// Deployments reads `ostree admin status`, in boot order. On a guest without
// ostree, or not booted from it, the error is ErrNoOSTree.
func Deployments(ctx context.Context, g Guest) ([]Deployment, error) {
	// An image can ship the program without being deployed by it.
	r, err := Ask(ctx, g, "sh", "-c", "[ -e /run/ostree-booted ] || exit 100; exec ostree admin status")
	switch {
	case err != nil:
		return nil, err
	case r.Exit == 100 || r.Exit == 127:
		return nil, ErrNoOSTree
	case !r.OK():
		return nil, &CommandError{Args: []string{"ostree", "admin", "status"}, Result: r}
	}
	all, err := ParseDeployments(r.Stdout)
	if err != nil {
		return nil, fmt.Errorf("cannot read the deployments of guest %s: %w", g.Name(), err)
	}
	return all, nil
}

// ParseDeployments reads what `ostree admin status` prints: for each
// deployment a line with a star when it is booted, its stateroot, commit and
// serial, then indented lines of "key: value". Keys that are not known are
// left out (signatures are printed there too).
func ParseDeployments(text string) ([]Deployment, error) {
	var out []Deployment
	booted := -1
	for n, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || strings.TrimSpace(line) == "No deployments." {
			continue
		}
		if strings.HasPrefix(line, "    ") {
			if len(out) == 0 {
				return nil, fmt.Errorf("line %d: %.80q belongs to no deployment", n+1, line)
			}
			out[len(out)-1].detail(strings.TrimSpace(line))
			continue
		}
		d, err := parseDeployment(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		if d.Booted {
			if booted >= 0 {
				return nil, fmt.Errorf("line %d: two deployments are booted", n+1)
			}
			booted = len(out)
		}
		out = append(out, d)
	}
	// Before 2018.9 ostree did not say what is pending and what a rollback is.
	for i := range out {
		d := &out[i]
		if booted < 0 || i == booted || d.OSName != out[booted].OSName || d.Staged {
			continue
		}
		switch {
		case i < booted && !hasLabel(out[:booted]):
			d.Pending = true
		case i == booted+1 && !hasLabel(out[booted:]):
			d.Rollback = true
		}
	}
	return out, nil
}

func hasLabel(all []Deployment) bool {
	for _, d := range all {
		if d.Pending || d.Staged || d.Rollback {
			return true
		}
	}
	return false
}

// parseDeployment reads "* OSNAME CHECKSUM.SERIAL (label)".
func parseDeployment(line string) (Deployment, error) {
	bad := func(why string) (Deployment, error) {
		return Deployment{}, fmt.Errorf("%.120q is no deployment: %s", line, why)
	}
	if len(line) < 2 || line[1] != ' ' || (line[0] != '*' && line[0] != ' ' && line[0] != '-') {
		return bad("it begins with neither a star nor two spaces")
	}
	rest, labels, _ := strings.Cut(line[2:], " (")
	words := strings.Fields(rest)
	if len(words) != 2 {
		return bad("want a stateroot and a commit")
	}
	sum, serial, ok := strings.Cut(words[1], ".")
	if n, err := strconv.Atoi(serial); ok && err == nil && n >= 0 && isChecksum(sum) {
		d := Deployment{Booted: line[0] == '*', OSName: words[0], Checksum: sum, Serial: n}
		for _, l := range strings.Split(strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(labels), ")"), ") (", ","), ",") {
			switch strings.TrimSpace(l) {
			case "staged":
				d.Staged = true
			case "pending":
				d.Pending = true
			case "rollback":
				d.Rollback = true
			}
		}
		return d, nil
	}
	return bad("the commit is no SHA-256 with a serial")
}

func isChecksum(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func (d *Deployment) detail(line string) {
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return
	}
	switch key {
	case "Version":
		d.Version = value
	case "Unlocked":
		d.Unlocked = value
	case "Pinned":
		d.Pinned = value == "yes"
	case "origin refspec":
		d.Origin = value
	case "origin":
		if !strings.HasPrefix(value, "<unknown") {
			d.Origin = value
		}
	}
}
