package host

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	diffSection = regexp.MustCompile(`^\s*(?:Live)?(Upgraded|Downgraded|Changed|Removed|Added):\s*(.*)$`)
	diffChange  = regexp.MustCompile(`^(\S+) (\S+) -> (\S+)$`)
	diffHead    = regexp.MustCompile(`^ostree diff commit (old|new|from|to): +(\S.*)$`)
	inBrackets  = regexp.MustCompile(`\(([0-9a-f]{64})\)$`)
	// A NEVRA has a version, a release and an architecture.
	nevra = regexp.MustCompile(`^[A-Za-z0-9_][^\s]*-[^\s-]+-[^\s-]+$`)
)

// ParseDiff reads `rpm-ostree db diff`, in the format "block" or "diff".
func ParseDiff(text string) (Diff, error) {
	d := readDiff(text)
	for n, line := range lines(text) {
		trimmed := strings.TrimSpace(line)
		m := diffHead.FindStringSubmatch(line)
		switch {
		case m != nil:
			sum := m[2]
			if b := inBrackets.FindStringSubmatch(sum); b != nil {
				sum = b[1]
			}
			if m[1] == "old" || m[1] == "from" {
				d.From = sum
			} else {
				d.To = sum
			}
		case trimmed == "" || diffSection.MatchString(line) || line[0] == ' ' && (diffChange.MatchString(trimmed) || nevra.MatchString(trimmed)) ||
			strings.ContainsRune("+-!=", rune(line[0])):
		default:
			return Diff{}, fmt.Errorf("cannot read the difference: line %d: %.120q is no package", n+1, line)
		}
	}
	if d.From == "" || d.To == "" {
		return Diff{}, errors.New("cannot read the difference: it does not say between which commits")
	}
	return d, nil
}

// readDiff finds the package changes in what an operation says. Of what it
// cannot read it takes nothing: transcripts have progress bars in between.
func readDiff(text string) (d Diff) {
	section := ""
	for _, line := range lines(text) {
		item := strings.TrimSpace(line)
		if m := diffSection.FindStringSubmatch(line); m != nil {
			section, item = m[1], m[2]
		} else if line == "" || line[0] != ' ' {
			section = ""
			// The format "diff": one package a line after its sign.
			switch {
			case strings.HasPrefix(line, "+") && nevra.MatchString(line[1:]):
				d.Added = append(d.Added, line[1:])
			case strings.HasPrefix(line, "-") && nevra.MatchString(line[1:]):
				d.Removed = append(d.Removed, line[1:])
			case strings.HasPrefix(line, "!") && nevra.MatchString(line[1:]):
				d.Changed = append(d.Changed, Replacement{Name: line[1:]})
			}
			continue
		}
		r := Replacement{}
		if m := diffChange.FindStringSubmatch(item); m != nil {
			r = Replacement{Name: m[1], From: m[2], To: m[3]}
		} else if !nevra.MatchString(item) {
			continue
		}
		switch section {
		case "Upgraded":
			d.Upgraded = append(d.Upgraded, r)
		case "Downgraded":
			d.Downgraded = append(d.Downgraded, r)
		case "Changed":
			// Until 2015 the new NEVRA was all that was told.
			if r.Name == "" {
				r.Name = item
			}
			d.Changed = append(d.Changed, r)
		case "Removed":
			d.Removed = append(d.Removed, item)
		case "Added":
			d.Added = append(d.Added, item)
		}
	}
	return d
}

// ParsePackages reads `rpm-ostree db list`: the commit, then its packages as
// NEVRA, the epoch after the name.
func ParsePackages(text string) (commit string, packages []string, err error) {
	for n, line := range lines(text) {
		rest, isHead := strings.CutPrefix(line, "ostree commit: ")
		switch item := strings.TrimSpace(line); {
		case isHead && commit != "":
			return "", nil, fmt.Errorf("cannot read the packages: line %d: a second commit", n+1)
		case isHead:
			commit = rest
			if b := inBrackets.FindStringSubmatch(rest); b != nil {
				commit = b[1]
			}
		case item == "":
		case commit == "" || !nevra.MatchString(item):
			return "", nil, fmt.Errorf("cannot read the packages: line %d: %.120q is no package", n+1, line)
		default:
			packages = append(packages, item)
		}
	}
	if commit == "" {
		return "", nil, errors.New("cannot read the packages: no commit is named")
	}
	return commit, packages, nil
}

func sortReplacements(all []Replacement) {
	slices.SortFunc(all, func(a, b Replacement) int { return cmp.Compare(a.Name, b.Name) })
}
