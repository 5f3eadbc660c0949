package host

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// ParseRPMOSTreeText reads what `rpm-ostree status` and `atomic host status`
// print for people, in its three forms: a table (until 2015), the blocks of
// --pretty from then, and keys with values (since 2016). What the form leaves
// out stays empty. It is for hosts that know no --json, and for transcripts.
func ParseRPMOSTreeText(text string) (Status, error) {
	var all []Deployment
	var err error
	s := Status{Tool: RPMOSTree}
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(trimmed, "TIMESTAMP"):
		all, err = statusTable(text)
	case strings.HasPrefix(trimmed, "===="):
		all, err = statusBlocks(text)
	case strings.HasPrefix(trimmed, "State:"):
		err = s.keyed(text)
		all = s.Deployments
	default:
		err = errors.New("it begins with neither a table's head, nor a rule, nor a state")
	}
	booted := 0
	for i := range all {
		if all[i].Booted {
			booted++
		}
	}
	if err == nil && booted > 1 {
		err = fmt.Errorf("%d deployments are booted", booted)
	}
	if err != nil {
		return Status{}, fmt.Errorf("cannot read rpm-ostree's status: %w", err)
	}
	mark(all)
	s.Deployments = all
	return s, nil
}

// The form of the table: only the version may be missing, and a column's head
// may touch the next, so rows are read by what stands in them.
var tableRow = regexp.MustCompile(`^([* ]) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) +(?:(\S+) +)?([0-9a-f]{10,64}) +(\S+) +(\S+) *$`)

func statusTable(text string) (all []Deployment, err error) {
	for n, line := range lines(text) {
		if line == "" || strings.HasPrefix(strings.TrimSpace(line), "TIMESTAMP") {
			continue
		}
		m := tableRow.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d: %.120q is no deployment", n+1, line)
		}
		at, err := time.Parse(time.DateTime, m[2])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		d := Deployment{Booted: m[1] == "*", Timestamp: at, Version: m[3], Checksum: m[4], BaseChecksum: m[4], OSName: m[5]}
		d.follow(m[6])
		all = append(all, d)
	}
	return all, nil
}

// statusBlocks reads --pretty. It marks the first with "DEFAULT ON BOOT", and
// the booted one with a star.
func statusBlocks(text string) (all []Deployment, err error) {
	var d *Deployment
	for n, line := range lines(text) {
		switch words := strings.Fields(line); {
		case len(words) == 0 || strings.Trim(line, "-") == "":
		case strings.Trim(line, "=") == "":
			d = nil
		case d == nil:
			all = append(all, Deployment{Booted: words[0] == "*"})
			d = &all[len(all)-1]
		case len(words) == 1 && words[0] == "version":
		case words[0] == "version":
			d.Version = strings.Join(words[1:], " ")
		case words[0] == "timestamp" && len(words) == 3:
			if d.Timestamp, err = time.Parse(time.DateTime, words[1]+" "+words[2]); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		case words[0] == "id" && len(words) == 2:
			sum, serial, ok := strings.Cut(words[1], ".")
			if _, err := fmt.Sscanf(serial, "%d", &d.Serial); !ok || err != nil || !isChecksum(sum) || d.Serial < 0 {
				return nil, fmt.Errorf("line %d: %.80q is no commit with a serial", n+1, words[1])
			}
			d.Checksum, d.BaseChecksum = sum, sum
		case words[0] == "osname" && len(words) == 2:
			d.OSName = words[1]
		case words[0] == "refspec" && len(words) == 2:
			d.follow(words[1])
		default:
			return nil, fmt.Errorf("line %d: %.120q is nothing that is known of a deployment", n+1, line)
		}
	}
	for i, d := range all {
		if d.Checksum == "" {
			return nil, fmt.Errorf("deployment %d has no id", i)
		}
	}
	return all, nil
}

// keyLine is "   Key: value", where a refspec has no blank after its colon. A
// line without a key goes on with the last one.
var keyLine = regexp.MustCompile(`^( *)([A-Z][A-Za-z]+):(?: +(.*))?$`)

// keyed reads the form with keys. Before the deployments stand the state and
// what the daemon does, after them perhaps an update.
func (s *Status) keyed(text string) error {
	var d *Deployment
	var key string
	inUpdate, inDeployments := false, false
	for n, line := range lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		m := keyLine.FindStringSubmatch(line)
		switch {
		case m != nil && m[1] == "" && (m[2] == "Deployments" || m[2] == "BootedDeployment"):
			inDeployments, inUpdate = true, false
		case m != nil && m[1] == "" && m[2] == "AvailableUpdate":
			inUpdate, inDeployments, s.Update = true, false, &Update{}
		case m != nil && m[1] == "" && !inDeployments:
			switch m[2] {
			case "State":
				if strings.HasPrefix(m[3], "busy") {
					s.Busy = "unknown"
				}
			case "Transaction":
				s.Busy = m[3]
			}
		case inUpdate && m != nil:
			s.Update.set(m[2], m[3])
		case inUpdate || !inDeployments:
			// What the daemon's helpers say; nothing of a deployment.
		case m == nil && isHead(line):
			name, booted := head(line)
			s.Deployments = append(s.Deployments, Deployment{Booted: booted})
			d = &s.Deployments[len(s.Deployments)-1]
			d.follow(name)
			key = ""
		case d == nil:
			return fmt.Errorf("line %d: %.120q belongs to no deployment", n+1, line)
		case m != nil:
			key = m[2]
			if err := d.set(key, strings.TrimSpace(m[3])); err != nil {
				return fmt.Errorf("line %d: %w", n+1, err)
			}
		default:
			d.goOn(key, strings.TrimSpace(line))
		}
	}
	for i := range s.Deployments {
		d := &s.Deployments[i]
		if d.Checksum == "" && d.BaseChecksum == "" {
			return fmt.Errorf("deployment %d (%.80s) has no commit", i, d.Origin)
		}
		if d.BaseChecksum == "" {
			d.BaseChecksum = d.Checksum
		}
	}
	return nil
}

// isHead reports the first line of a deployment: a bullet or two blanks, then
// what it follows.
func isHead(line string) bool {
	rest, ok := cutBullet(line)
	return ok && rest != "" && rest[0] != ' ' && !strings.HasPrefix(rest, "`-") && !strings.HasPrefix(rest, "└")
}

func head(line string) (name string, booted bool) {
	rest, _ := cutBullet(line)
	name, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
	return name, line[0] != ' '
}

func cutBullet(line string) (string, bool) {
	// The question mark is a bullet that did not survive a pasting.
	for _, b := range []string{"● ", "* ", "? ", "  "} {
		if rest, ok := strings.CutPrefix(line, b); ok {
			return rest, true
		}
	}
	return "", false
}

func (d *Deployment) set(key, value string) error {
	switch key {
	case "Version", "Timestamp":
		version, at := versionTime(value)
		if key == "Timestamp" {
			version, at = "", parseTime(value)
			if at.IsZero() {
				return fmt.Errorf("%.80q is no time", value)
			}
		}
		d.Version, d.Timestamp = version, at
	case "Commit", "BaseCommit", "BootedCommit", "LiveCommit", "InterruptedLiveCommit":
		// Pasted transcripts cut it short with dots.
		sum := strings.TrimRight(value, ". ")
		if !isDigits(sum) {
			return fmt.Errorf("%.80q is no commit", value)
		}
		switch key {
		case "BaseCommit":
			d.BaseChecksum = sum
		case "LiveCommit", "InterruptedLiveCommit":
			d.LiveCommit = sum
		default:
			d.Checksum = sum
		}
	case "OSName", "StateRoot":
		d.OSName = value
	case "Digest":
		if d.Image != nil {
			d.Image.Digest = value
		}
	case "GPGSignature":
		d.signature(value)
	case "Packages", "LayeredPackages":
		d.Layered = append(d.Layered, strings.Fields(value)...)
		d.Requested = append(d.Requested, strings.Fields(value)...)
	case "RequestedPackages", "InactiveRequests":
		d.Requested = append(d.Requested, strings.Fields(value)...)
	case "LocalPackages", "LocalForcedPackages":
		d.LocalPackages = append(d.LocalPackages, strings.Fields(value)...)
	case "RemovedBasePackages":
		d.Removed = append(d.Removed, removals(value)...)
	case "ReplacedBasePackages", "LocalOverrides", "RemoteOverrides":
		d.Replaced = append(d.Replaced, replacements(value)...)
		sortReplacements(d.Replaced)
	case "Initramfs":
		if value == "regenerate" || strings.HasPrefix(value, "regenerate ") {
			d.RegenerateInitramfs = true
		} else {
			d.RegenerateInitramfs, d.InitramfsArgs = true, strings.Fields(value)
		}
	case "Pinned":
		d.Pinned = value == "yes"
	case "Staged":
		d.Staged = value == "yes"
	case "Unlocked":
		d.Unlocked = locked(value)
	}
	return nil
}

// goOn reads a line that continues a key.
func (d *Deployment) goOn(key, line string) {
	if key == "GPGSignature" {
		d.Signatures = append(d.Signatures, line)
		if strings.HasPrefix(line, "Good signature") {
			valid := true
			d.Signed = &valid
		}
	}
}

// signature reads what stands after GPGSignature: "Valid signature by KEY",
// "(unsigned)", or how many there are, with more lines to follow.
func (d *Deployment) signature(value string) {
	valid := strings.HasPrefix(value, "Valid signature")
	d.Signed = &valid
	if valid {
		d.Signatures = []string{value}
	}
}

// set reads one line of an available update.
func (u *Update) set(key, value string) {
	switch key {
	case "Version":
		u.Version, u.Timestamp = versionTime(value)
	case "Timestamp":
		u.Timestamp = parseTime(value)
	case "Commit":
		u.Checksum = value
	case "Digest":
		u.Digest = value
	}
}

// versionTime reads "VERSION (TIME)".
func versionTime(s string) (string, time.Time) {
	if i := strings.LastIndex(s, " ("); i >= 0 && strings.HasSuffix(s, ")") {
		if at := parseTime(s[i+2 : len(s)-1]); !at.IsZero() {
			return s[:i], at
		}
	}
	return s, time.Time{}
}

func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02 15:04:05.999999999 UTC"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// removals reads RemovedBasePackages: NEVRA alone, or "NAME... EVR" since 2018,
// separated by commas. The version of names that share one is put to each.
func removals(s string) (out []string) {
	for _, part := range strings.Split(s, ", ") {
		words := strings.Fields(part)
		if len(words) < 2 {
			out = append(out, words...)
			continue
		}
		for _, name := range words[:len(words)-1] {
			out = append(out, name+"-"+words[len(words)-1])
		}
	}
	return out
}

// replacements reads "NAME... EVR -> EVR", separated by commas.
func replacements(s string) (out []Replacement) {
	for _, part := range strings.Split(s, ", ") {
		left, to, ok := strings.Cut(part, " -> ")
		words := strings.Fields(left)
		if !ok || len(words) < 2 {
			continue
		}
		for _, name := range words[:len(words)-1] {
			out = append(out, Replacement{Name: name, From: words[len(words)-1], To: strings.TrimSpace(to)})
		}
	}
	return out
}

// lines are the lines of a text, without carriage returns and trailing blanks.
func lines(text string) []string {
	all := strings.Split(text, "\n")
	for i := range all {
		all[i] = strings.TrimRight(all[i], " \t\r")
	}
	return all
}
