package host

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
)

// Commit is one commit of an ostree repository's history.
type Commit struct {
	Checksum, Parent string
	Version          string
	Date             time.Time
	// Subject is the first line of its message.
	Subject string
}

// Log is the history of ref in the guest's repository, newest first, as far as
// the repository has it (see PullHistory).
func Log(ctx context.Context, g guest.Guest, ref string) ([]Commit, error) {
	if err := operands(ref); err != nil {
		return nil, err
	}
	c := cli{tool: OSTree, g: g}
	args := []string{"ostree", "log", ref}
	r, err := c.ask(ctx, args...)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, c.refused(args, r)
	}
	return ParseLog(r.Stdout)
}

// PullHistory fetches the commits of a ref without their content, so that Log
// knows their versions and rpm-ostree can deploy one by version.
func PullHistory(ctx context.Context, g guest.Guest, remote, ref string) error {
	if !safeRefspec.MatchString(remote + ":" + ref) {
		return fmt.Errorf("cannot pull %q of %q: it is no ostree refspec", ref, remote)
	}
	c := cli{tool: OSTree, g: g}
	_, err := c.do(ctx, "ostree", "pull", "--commit-metadata-only", "--depth=-1", remote, ref)
	return err
}

// fsckOutput holds a line for each of some hundred thousand missing objects: what
// tells how it ended comes last.
const fsckOutput = 32 << 20

// Fsck verifies the objects of the guest's repository. A repository with
// errors is a *RefusedError that says which.
func Fsck(ctx context.Context, g guest.Guest) error {
	c := cli{tool: OSTree, g: g}
	args := []string{"ostree", "fsck"}
	r, err := g.Run(ctx, guest.Command{Args: args, Limit: changeLimit, MaxOutput: fsckOutput})
	if err != nil {
		return err
	}
	if !r.OK() || !fsckSound(r.Stdout+r.Stderr) {
		return c.refused(args, r)
	}
	return nil
}

// PrepareSoftReboot makes the deployment of that index the root of the next soft
// reboot, which is left to be ordered (`systemctl soft-reboot`).
func PrepareSoftReboot(ctx context.Context, g guest.Guest, index int) error {
	_, err := cli{tool: OSTree, g: g}.do(ctx, "ostree", "admin", "prepare-soft-reboot", strconv.Itoa(index))
	return err
}

// fsckSound wants the words of success, too: an fsck that was killed half-way
// through a wrapper must not pass.
func fsckSound(said string) bool { return strings.Contains(said, "no errors found") }

// ConfigDiff is the files that differ between /etc and the tree's own, by path
// below /etc; the value is 'M' (modified), 'A' (added) or 'D' (deleted).
func ConfigDiff(ctx context.Context, g guest.Guest) (map[string]byte, error) {
	c := cli{tool: OSTree, g: g}
	args := []string{"ostree", "admin", "config-diff"}
	r, err := c.ask(ctx, args...)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, c.refused(args, r)
	}
	return ParseConfigDiff(r.Stdout)
}

var configChange = regexp.MustCompile(`^([MAD]) {1,8}(\S.*)$`)

// ParseConfigDiff reads `ostree admin config-diff` and `ostree diff`.
func ParseConfigDiff(text string) (map[string]byte, error) {
	out := map[string]byte{}
	for n, line := range lines(text) {
		if line == "" {
			continue
		}
		m := configChange.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("cannot read the changes of /etc: line %d: %.120q", n+1, line)
		}
		out[m[2]] = m[1][0]
	}
	return out, nil
}

var logField = regexp.MustCompile(`^(Parent|ContentChecksum|Date|Version|Timestamp): +(.*)$`)

// ParseLog reads `ostree log` and `ostree show`. The parent may be missing, a
// message is indented.
func ParseLog(text string) (all []Commit, err error) {
	for n, line := range lines(text) {
		sum, isHead := strings.CutPrefix(line, "commit ")
		m := logField.FindStringSubmatch(line)
		switch {
		case isHead && !isDigits(sum):
			return nil, fmt.Errorf("cannot read the history: line %d: %.80q is no commit", n+1, sum)
		case isHead:
			all = append(all, Commit{Checksum: sum})
		case line == "" || strings.HasPrefix(line, "<<"): // "<< History beyond this commit not fetched >>"
		case len(all) == 0:
			return nil, fmt.Errorf("cannot read the history: line %d: %.120q belongs to no commit", n+1, line)
		case m != nil:
			c := &all[len(all)-1]
			switch m[1] {
			case "Parent":
				c.Parent = m[2]
			case "Version":
				c.Version = m[2]
			case "Date":
				if c.Date, err = time.Parse("2006-01-02 15:04:05 -0700", m[2]); err != nil {
					return nil, fmt.Errorf("cannot read the history: line %d: %w", n+1, err)
				}
			}
		case strings.HasPrefix(line, "    "):
			if c := &all[len(all)-1]; c.Subject == "" && strings.TrimSpace(line) != "(no subject)" {
				c.Subject = strings.TrimSpace(line)
			}
		case strings.HasPrefix(line, "Found ") || line[0] == ' ':
			// Signatures.
		default:
			return nil, fmt.Errorf("cannot read the history: line %d: %.120q", n+1, line)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("cannot read the history: it has no commit")
	}
	return all, nil
}
