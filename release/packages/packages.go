// Package packages reads package manifests and says how two builds differ, for
// bugs and announcements. It compares versions by rpm's rules, so that it can
// tell an upgrade from a downgrade.
package packages

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"assay/reports"
)

// Package is one installed package.
type Package struct {
	Name, Epoch, Version, Release, Arch string
}

// String is name-[epoch:]version-release.arch.
func (p Package) String() string {
	return p.Name + "-" + p.EVR() + "." + p.Arch
}

// EVR is [epoch:]version-release; an epoch of 0 is left out.
func (p Package) EVR() string {
	s := p.Version + "-" + p.Release
	if p.Epoch != "" && p.Epoch != "0" {
		s = p.Epoch + ":" + s
	}
	return s
}

// epoch in front, as rpm-ostree and dnf list it: "4:perl-5.40-1.x86_64".
var epochFirst = regexp.MustCompile(`^([0-9]+):(.*)$`)

// Parse reads name-[epoch:]version-release.arch, or epoch:name-version-release.arch.
func Parse(s string) (Package, error) {
	bad := fmt.Errorf("package %.200q: want name-[epoch:]version-release.arch", s)
	var p Package
	rest := s
	if m := epochFirst.FindStringSubmatch(s); m != nil {
		p.Epoch, rest = m[1], m[2]
	}
	i := strings.LastIndexByte(rest, '.')
	if i <= 0 || i == len(rest)-1 || strings.ContainsAny(rest, " \t\r\n/") {
		return Package{}, bad
	}
	rest, p.Arch = rest[:i], rest[i+1:]
	if i = strings.LastIndexByte(rest, '-'); i <= 0 || i == len(rest)-1 {
		return Package{}, bad
	}
	rest, p.Release = rest[:i], rest[i+1:]
	if i = strings.LastIndexByte(rest, '-'); i <= 0 || i == len(rest)-1 {
		return Package{}, bad
	}
	p.Name, p.Version = rest[:i], rest[i+1:]
	if e, v, ok := strings.Cut(p.Version, ":"); ok {
		if p.Epoch != "" || e == "" || v == "" {
			return Package{}, bad
		}
		p.Epoch, p.Version = e, v
	}
	return p, nil
}

// ParseList reads a manifest: one package a line, blank lines and lines that
// begin with '#' aside. The list comes sorted and without repetitions, as a
// packages.listed event has it.
func ParseList(text string) ([]string, error) {
	var out []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		p, err := Parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		out = append(out, p.String())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Change is one package that differs.
type Change struct {
	// Name is the package's, with its architecture when another of the same
	// name is there, too.
	Name string
	// From and To are [epoch:]version-release; empty when it was added or
	// removed.
	From, To string
}

// Diff is how one manifest became another, each list sorted by name.
type Diff struct {
	Added, Removed, Upgraded, Downgraded []Change
}

// Empty reports whether nothing differs.
func (d Diff) Empty() bool {
	return len(d.Added)+len(d.Removed)+len(d.Upgraded)+len(d.Downgraded) == 0
}

// Compare says how from became to. Lines that are no packages are compared as
// they stand.
func Compare(from, to []string) Diff {
	was, is := index(from), index(to)
	var d Diff
	arches := map[string]map[string]bool{}
	for _, all := range []map[nameArch][]Package{was, is} {
		for k := range all {
			if arches[k.name] == nil {
				arches[k.name] = map[string]bool{}
			}
			arches[k.name][k.arch] = true
		}
	}
	label := func(k nameArch) string {
		if len(arches[k.name]) == 1 {
			return k.name
		}
		return k.name + "." + k.arch
	}
	for k, old := range was {
		now, ok := is[k]
		if !ok {
			for _, p := range old {
				d.Removed = append(d.Removed, Change{Name: label(k), From: p.EVR()})
			}
			continue
		}
		// Several versions of one name (kernels): those on both sides cancel
		// out, and the newest of what is left are held against each other.
		a, b := without(old, now), without(now, old)
		for len(a) > 0 && len(b) > 0 {
			x, y := a[len(a)-1], b[len(b)-1]
			a, b = a[:len(a)-1], b[:len(b)-1]
			c := Change{label(k), x.EVR(), y.EVR()}
			if CompareEVR(x, y) <= 0 {
				d.Upgraded = append(d.Upgraded, c)
			} else {
				d.Downgraded = append(d.Downgraded, c)
			}
		}
		for _, p := range a {
			d.Removed = append(d.Removed, Change{Name: label(k), From: p.EVR()})
		}
		for _, p := range b {
			d.Added = append(d.Added, Change{Name: label(k), To: p.EVR()})
		}
	}
	for k, now := range is {
		if _, ok := was[k]; !ok {
			for _, p := range now {
				d.Added = append(d.Added, Change{Name: label(k), To: p.EVR()})
			}
		}
	}
	for _, l := range [][]Change{d.Added, d.Removed, d.Upgraded, d.Downgraded} {
		slices.SortFunc(l, func(a, b Change) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
		})
	}
	return d
}

type nameArch struct{ name, arch string }

func index(list []string) map[nameArch][]Package {
	out := map[nameArch][]Package{}
	for _, s := range list {
		p, err := Parse(s)
		if err != nil {
			p = Package{Name: s}
		}
		k := nameArch{p.Name, p.Arch}
		out[k] = append(out[k], p)
	}
	for _, l := range out {
		slices.SortFunc(l, CompareEVR)
	}
	return out
}

func without(l, other []Package) (out []Package) {
	for _, p := range l {
		if !slices.Contains(other, p) {
			out = append(out, p)
		}
	}
	return out
}

// Text is the difference for a person, at most limit changes of each kind.
func (d Diff) Text(limit int) string {
	if d.Empty() {
		return "No package differs.\n"
	}
	var b strings.Builder
	list := func(title string, cs []Change) {
		if len(cs) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s (%d):\n", title, len(cs))
		for _, c := range cs[:min(len(cs), limit)] {
			v := c.From
			switch {
			case c.From == "":
				v = c.To
			case c.To != "":
				v = c.From + " -> " + c.To
			}
			fmt.Fprintf(&b, "  %s %s\n", reports.Line(c.Name, 200), reports.Line(v, 200))
		}
		if len(cs) > limit {
			fmt.Fprintf(&b, "  and %d more\n", len(cs)-limit)
		}
	}
	list("Upgraded", d.Upgraded)
	list("Downgraded", d.Downgraded)
	list("Added", d.Added)
	list("Removed", d.Removed)
	return b.String()
}
