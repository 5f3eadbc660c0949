package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseOSTree reads what `ostree admin status` prints, for people or with --json.
func ParseOSTree(text string) (Status, error) {
	s := Status{Tool: OSTree}
	var err error
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		s.Deployments, err = ostreeJSON(text)
	} else {
		s.Deployments, err = ostreeText(text)
	}
	booted := 0
	for i := range s.Deployments {
		d := &s.Deployments[i]
		d.BaseChecksum = d.Checksum
		if d.Booted {
			booted++
		}
	}
	if err == nil && booted > 1 {
		err = fmt.Errorf("%d deployments are booted", booted)
	}
	if err != nil {
		return Status{}, fmt.Errorf("cannot read ostree's status: %w", err)
	}
	mark(s.Deployments)
	return s, nil
}

// ostreeJSON reads the form since 2025 (ot-admin-builtin-status.c).
func ostreeJSON(text string) (all []Deployment, err error) {
	var in struct {
		Deployments *[]struct {
			Checksum  string `json:"checksum"`
			Stateroot string `json:"stateroot"`
			Refspec   string `json:"refspec"`
			Serial    int    `json:"serial"`
			Booted    bool   `json:"booted"`
			Staged    bool   `json:"staged"`
			Locked    bool   `json:"finalization-locked"`
			Pinned    bool   `json:"pinned"`
			Unlocked  string `json:"unlocked"`
			Version   string `json:"version"`
		} `json:"deployments"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, err
	}
	if in.Deployments == nil {
		return nil, errors.New("it has no deployments")
	}
	for i, o := range *in.Deployments {
		if !isChecksum(o.Checksum) || o.Stateroot == "" || o.Serial < 0 {
			return nil, fmt.Errorf("deployment %d: stateroot %.80q, commit %.80q, serial %d", i, o.Stateroot, o.Checksum, o.Serial)
		}
		d := Deployment{OSName: o.Stateroot, Checksum: o.Checksum, Serial: o.Serial, Version: o.Version, Booted: o.Booted,
			Staged: o.Staged, DownloadOnly: o.Locked, Pinned: o.Pinned, Unlocked: locked(o.Unlocked)}
		d.follow(o.Refspec)
		all = append(all, d)
	}
	return all, nil
}

// ostreeText reads, for each deployment, a line with a star when it is booted,
// its stateroot, commit and serial, then indented lines of "key: value". Keys
// that are not known are left out (signatures are printed there too). What is
// pending and what is a rollback was not told before 2018.9, and is worked out
// from the order.
func ostreeText(text string) (out []Deployment, err error) {
	if strings.TrimSpace(text) == "No deployments." {
		return nil, nil
	}
	for n, line := range lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "":
		case strings.HasPrefix(line, "    "):
			if len(out) == 0 {
				return nil, fmt.Errorf("line %d: %.80q belongs to no deployment", n+1, line)
			}
			out[len(out)-1].ostreeDetail(trimmed)
		default:
			d, err := ostreeHead(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

// ostreeHead reads "* OSNAME CHECKSUM.SERIAL (label)".
func ostreeHead(line string) (Deployment, error) {
	bad := func(why string) (Deployment, error) {
		return Deployment{}, fmt.Errorf("%.120q is no deployment: %s", line, why)
	}
	// A dash marks a deployment that a soft reboot goes to, in some versions.
	if len(line) < 2 || line[1] != ' ' || (line[0] != '*' && line[0] != ' ' && line[0] != '-') {
		return bad("it begins with neither a star nor two spaces")
	}
	rest, labels, _ := strings.Cut(line[2:], " (")
	words := strings.Fields(rest)
	if len(words) != 2 {
		return bad("want a stateroot and a commit")
	}
	sum, serial, ok := strings.Cut(words[1], ".")
	n, err := strconv.Atoi(serial)
	if !ok || err != nil || n < 0 || !isChecksum(sum) {
		return bad("the commit is no SHA-256 with a serial")
	}
	locked := strings.Contains(labels, "finalization locked")
	return Deployment{Booted: line[0] == '*', OSName: words[0], Checksum: sum, Serial: n,
		Staged: locked || strings.Contains(labels, "staged"), DownloadOnly: locked}, nil
}

func (d *Deployment) ostreeDetail(line string) {
	if strings.HasPrefix(line, "Good signature") {
		good := true
		d.Signed, d.Signatures = &good, append(d.Signatures, line)
		return
	}
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return
	}
	switch key {
	case "Version":
		d.Version = value
	case "Unlocked":
		d.Unlocked = locked(value)
	case "Pinned":
		d.Pinned = value == "yes"
	case "origin refspec":
		d.follow(value)
	case "origin":
		if !strings.HasPrefix(value, "<unknown") && value != "none" {
			d.follow(value)
		}
	case "GPG":
		// Whether it is good stands on a line of its own.
		d.Signatures = append(d.Signatures, value)
		if d.Signed == nil {
			d.Signed = new(bool)
		}
	}
}
