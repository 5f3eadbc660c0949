// Package policy reads the policy of a stream from YAML: strictly, with line
// and column in every complaint.
//
// It checks that a policy makes sense by itself; whether the adapters it names
// exist is for whoever configures them. It needs nothing of the host but the
// file and the time zone data, which are built in.
package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a zone in a policy means the same on every host

	"assay/release"
	"assay/release/greenwave"
	"assay/release/strictyaml"
)

// file is the form of the YAML. docs/release.md describes it.
type file struct {
	Stream     string `yaml:"stream"`
	Title      string `yaml:"title"`
	About      string `yaml:"about"`
	Disclaimer string `yaml:"disclaimer"`
	Docs       []struct {
		Title string `yaml:"title"`
		URL   string `yaml:"url"`
	} `yaml:"docs"`
	Artifacts struct {
		Required []string `yaml:"required"`
		Optional []string `yaml:"optional"`
		Unlisted string   `yaml:"unlisted"`
	} `yaml:"artifacts"`
	Refs     []string `yaml:"refs"`
	Criteria []struct {
		Checks    string `yaml:"checks"`
		Artifacts string `yaml:"artifacts"`
		Blocking  *bool  `yaml:"blocking"`
	} `yaml:"criteria"`
	Require []struct {
		Checks    string `yaml:"checks"`
		Artifacts string `yaml:"artifacts"`
	} `yaml:"require"`
	Tests struct {
		Retries  int      `yaml:"retries"`
		Timeout  string   `yaml:"timeout"`
		LeaveOut []string `yaml:"leave_out"`
	} `yaml:"tests"`
	Calendar *struct {
		Weeks int    `yaml:"weeks"`
		First string `yaml:"first"`
		At    string `yaml:"at"`
		Zone  string `yaml:"zone"`
	} `yaml:"calendar"`
	Follow *struct {
		Stream  string `yaml:"stream"`
		Every   int    `yaml:"every"`
		Offset  int    `yaml:"offset"`
		Rebuild string `yaml:"rebuild"`
	} `yaml:"follow"`
	OnNothing string `yaml:"when_nothing_passed"`
	Grace     string `yaml:"grace"`
	Nightly   *struct {
		By   string   `yaml:"by"`
		Zone string   `yaml:"zone"`
		Days []string `yaml:"days"`
	} `yaml:"nightly"`
	Greenwave []struct {
		File           string `yaml:"file"`
		Context        string `yaml:"context"`
		ProductVersion string `yaml:"product_version"`
	} `yaml:"greenwave"`
	Overrides []struct {
		Users    []string `yaml:"users"`
		Groups   []string `yaml:"groups"`
		Machines []string `yaml:"machines"`
		May      []string `yaml:"may"`
		Checks   []string `yaml:"checks"`
		Except   []string `yaml:"except"`
	} `yaml:"overrides"`
	Trackers []struct {
		Name       string   `yaml:"name"`
		Bugs       []string `yaml:"bugs"`
		OpenAfter  *int     `yaml:"open_after"`
		CloseAfter *int     `yaml:"close_after"`
	} `yaml:"trackers"`
	Keys     []string `yaml:"keys"`
	Unsigned bool     `yaml:"unsigned"`
	Targets  []struct {
		Name          string   `yaml:"name"`
		Steps         []string `yaml:"steps"`
		AfterAnnounce bool     `yaml:"after_announce"`
	} `yaml:"targets"`
	Announce []string `yaml:"announce"`
	Results  []string `yaml:"results"`
}

// MaxSize bounds a policy file, in bytes; with the files that it names it has to
// fit an event.
const MaxSize = release.MaxPolicy

// Read reads a policy file.
func Read(path string) (*release.Policy, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > MaxSize {
		return nil, fmt.Errorf("cannot read policy %s: want a regular file of at most %d bytes", path, MaxSize)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy: %w", err)
	}
	return Parse(path, data, os.DirFS(filepath.Dir(path)))
}

// Parse reads a policy; name is what errors call it: "NAME:LINE:COLUMN: what".
// Files that the policy names are read from dir. It reports the first fault.
func Parse(name string, data []byte, dir fs.FS) (*release.Policy, error) {
	return parse(name, data, func(file string) ([]byte, error) {
		st, err := fs.Stat(dir, file)
		if err == nil && st.Size() > MaxSize {
			err = fmt.Errorf("%s is too large: %d bytes, and %d are the most", file, st.Size(), MaxSize)
		}
		if err != nil {
			return nil, err
		}
		return fs.ReadFile(dir, file)
	})
}

// parse has read fetch the files that the policy names.
func parse(name string, data []byte, read func(string) ([]byte, error)) (*release.Policy, error) {
	var f file
	r := &reader{strictyaml.Read(name, data, MaxSize, &f)}
	if r.Err() != nil {
		return nil, r.Err()
	}
	p := &release.Policy{
		Stream: release.Stream(f.Stream), Title: f.Title, About: f.About, Disclaimer: f.Disclaimer,
		LeaveOutUnlisted: word(r, "$.artifacts.unlisted", f.Artifacts.Unlisted, "refuse", "refuse", "leave-out") == "leave-out",
		OnNothing:        release.OnNothing(word(r, "$.when_nothing_passed", f.OnNothing, "", string(release.Retry), string(release.Skip))),
		Grace:            r.duration("$.grace", f.Grace),
		Tests:            release.Tests{Retries: f.Tests.Retries, Timeout: r.duration("$.tests.timeout", f.Tests.Timeout), LeaveOut: f.Tests.LeaveOut},
	}
	r.Check("$.stream", p.Stream.Validate())
	if f.Tests.Retries < 0 || f.Tests.Retries > 20 {
		r.Fail("$.tests.retries", "want 0 to 20, not %d", f.Tests.Retries)
	}
	for _, d := range f.Docs {
		p.Docs = append(p.Docs, release.Link{Title: d.Title, URL: d.URL})
	}
	r.artifacts(&f, p)
	r.criteria(&f, p)
	r.cadence(&f, p)
	files := r.greenwave(&f, p, read)
	r.overrides(&f, p)
	r.adapters(&f, p)
	r.Check("$", p.Check())
	p.Source = source(data, files)
	r.Check("$", p.Source.Validate())
	if r.Err() != nil {
		return nil, r.Err()
	}
	return p, nil
}

func (r *reader) artifacts(f *file, p *release.Policy) {
	for kind, list := range map[string][]string{"required": f.Artifacts.Required, "optional": f.Artifacts.Optional} {
		for i, s := range list {
			at := fmt.Sprintf("$.artifacts.%s[%d]", kind, i)
			id := release.ArtifactID(s)
			r.Check(at, id.Validate())
			if slices.ContainsFunc(p.Artifacts, func(w release.Wanted) bool { return w.ID == id }) {
				r.Fail(at, "%s is listed twice", s)
			}
			p.Artifacts = append(p.Artifacts, release.Wanted{ID: id, Optional: kind == "optional"})
		}
	}
	slices.SortFunc(p.Artifacts, func(a, b release.Wanted) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for i, s := range f.Refs {
		at := fmt.Sprintf("$.refs[%d]", i)
		if s == "" {
			r.Fail(at, "want an ostree ref or a pattern of refs")
		}
		p.Refs = append(p.Refs, r.glob(at, s))
	}
	if len(f.Artifacts.Required) == 0 {
		r.Fail("$.artifacts", "it requires no artifact, so every build would pass")
	}
}

func (r *reader) criteria(f *file, p *release.Policy) {
	for i, c := range f.Criteria {
		at := fmt.Sprintf("$.criteria[%d]", i)
		if c.Checks == "" || c.Blocking == nil {
			r.Fail(at, "want checks and blocking")
			continue
		}
		p.Criteria = append(p.Criteria, release.Criterion{Checks: r.glob(at+".checks", c.Checks), Artifacts: r.glob(at+".artifacts", c.Artifacts), Blocking: *c.Blocking})
	}
	for i, c := range f.Require {
		at := fmt.Sprintf("$.require[%d]", i)
		if c.Checks == "" {
			r.Fail(at, "want checks")
		}
		p.Require = append(p.Require, release.Required{Checks: r.glob(at+".checks", c.Checks), Artifacts: r.glob(at+".artifacts", c.Artifacts)})
	}
}

func (r *reader) cadence(f *file, p *release.Policy) {
	if (f.Calendar == nil) == (f.Follow == nil) {
		r.Fail("$", "want either calendar or follow")
	}
	if c := f.Calendar; c != nil {
		first, err := time.Parse(time.DateOnly, c.First)
		if err != nil {
			r.Fail("$.calendar.first", "want a date, as 2026-11-03")
		}
		if c.Weeks < 1 || c.Weeks > 104 {
			r.Fail("$.calendar.weeks", "want 1 to 104 weeks, not %d", c.Weeks)
		}
		hour, minute := r.clock("$.calendar.at", c.At)
		p.Calendar = &release.Calendar{Weeks: c.Weeks, First: first, Hour: hour, Minute: minute, Zone: r.zone("$.calendar.zone", c.Zone)}
	}
	if c := f.Follow; c != nil {
		p.Follow = &release.Follow{Stream: release.Stream(c.Stream), Every: c.Every, Offset: c.Offset, Rebuild: c.Rebuild != "", Rebuilder: c.Rebuild}
		r.Check("$.follow.stream", p.Follow.Stream.Validate())
		if c.Every < 1 || c.Every > 100 {
			r.Fail("$.follow.every", "want 1 to 100, not %d", c.Every)
		}
		if c.Offset < 0 || c.Offset > c.Every {
			r.Fail("$.follow.offset", "want 0 to %d, not %d", c.Every, c.Offset)
		}
		if c.Rebuild != "" {
			r.adapterName("$.follow.rebuild", c.Rebuild)
		}
	}
	if n := f.Nightly; n != nil {
		hour, minute := r.clock("$.nightly.by", n.By)
		p.Nightly = &release.Nightly{Hour: hour, Minute: minute}
		if n.Zone != "" || p.Calendar == nil {
			p.Nightly.Zone = r.zone("$.nightly.zone", n.Zone)
		}
		days := []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
		for i, d := range n.Days {
			word(r, fmt.Sprintf("$.nightly.days[%d]", i), d, "", days...)
			p.Nightly.Days = append(p.Nightly.Days, time.Weekday(slices.Index(days, d)))
		}
	}
}

// greenwave returns the files it has read.
func (r *reader) greenwave(f *file, p *release.Policy, read func(string) ([]byte, error)) (files map[string]string) {
	files = map[string]string{}
	for i, g := range f.Greenwave {
		at := fmt.Sprintf("$.greenwave[%d]", i)
		if g.Context == "" || g.ProductVersion == "" || g.File == "" {
			r.Fail(at, "want file, context and product_version")
			continue
		}
		data, err := read(g.File)
		var policies []greenwave.Policy
		if err == nil {
			files[g.File] = string(data)
			policies, err = greenwave.ParsePolicies(g.File, data)
		}
		r.Check(at+".file", err)
		p.Gates = append(p.Gates, greenwave.Gate{Policies: policies, Context: g.Context, ProductVersion: g.ProductVersion})
	}
	return files
}

func (r *reader) overrides(f *file, p *release.Policy) {
	var all []string
	for _, o := range slices.Concat(release.Overrides, release.Rights) {
		all = append(all, string(o))
	}
	for i, o := range f.Overrides {
		at := fmt.Sprintf("$.overrides[%d]", i)
		if len(o.Users)+len(o.Groups)+len(o.Machines) == 0 || len(o.May) == 0 {
			r.Fail(at, "want users, groups or machines, and what they may")
		}
		perm := release.Permission{Users: o.Users, Groups: o.Groups}
		for j, m := range o.May {
			may := release.Override(word(r, fmt.Sprintf("%s.may[%d]", at, j), m, "", all...))
			if len(o.Machines) > 0 && !slices.Contains(release.Rights, may) {
				r.Fail(fmt.Sprintf("%s.may[%d]", at, j), "machines have %v: only a person may %s", release.Rights, may)
			}
			perm.May = append(perm.May, may)
		}
		for j, g := range o.Machines {
			perm.Machines = append(perm.Machines, r.glob(fmt.Sprintf("%s.machines[%d]", at, j), g))
		}
		for j, g := range o.Checks {
			perm.Checks = append(perm.Checks, r.glob(fmt.Sprintf("%s.checks[%d]", at, j), g))
		}
		for j, g := range o.Except {
			perm.Except = append(perm.Except, r.glob(fmt.Sprintf("%s.except[%d]", at, j), g))
		}
		p.Overrides = append(p.Overrides, perm)
	}
}

func (r *reader) adapters(f *file, p *release.Policy) {
	for i, t := range f.Trackers {
		at := fmt.Sprintf("$.trackers[%d]", i)
		tp := release.TrackerPolicy{Name: r.adapterName(at+".name", t.Name), OpenAfter: 1, CloseAfter: 2}
		for j, b := range t.Bugs {
			switch word(r, fmt.Sprintf("%s.bugs[%d]", at, j), b, "", "no-image", "checks", "revoked") {
			case "no-image":
				tp.NoImage = true
			case "checks":
				tp.Checks = true
			case "revoked":
				tp.Revoked = true
			}
		}
		if len(t.Bugs) == 0 {
			tp.NoImage, tp.Checks, tp.Revoked = true, true, true
		}
		for key, n := range map[string]*int{"open_after": t.OpenAfter, "close_after": t.CloseAfter} {
			if n != nil && (*n < 1 || *n > 100) {
				r.Fail(at+"."+key, "want 1 to 100 builds, not %d", *n)
			}
		}
		if t.OpenAfter != nil {
			tp.OpenAfter = *t.OpenAfter
		}
		if t.CloseAfter != nil {
			tp.CloseAfter = *t.CloseAfter
		}
		p.Trackers = append(p.Trackers, tp)
	}
	for i, k := range f.Keys {
		p.Keys = append(p.Keys, release.Key{Name: r.adapterName(fmt.Sprintf("$.keys[%d]", i), k)})
	}
	steps := make([]string, len(release.PublishSteps))
	for i, s := range release.PublishSteps {
		steps[i] = string(s)
	}
	for i, t := range f.Targets {
		at := fmt.Sprintf("$.targets[%d]", i)
		target := release.Target{Name: r.adapterName(at+".name", t.Name), AfterAnnounce: t.AfterAnnounce}
		for j, s := range t.Steps {
			target.Steps = append(target.Steps, release.Step(word(r, fmt.Sprintf("%s.steps[%d]", at, j), s, "", steps...)))
		}
		if len(t.Steps) > 0 && !slices.Contains(target.Steps, release.StepPointer) {
			r.Fail(at+".steps", "without %s nobody would be told of a release", release.StepPointer)
		}
		p.Targets = append(p.Targets, target)
	}
	for i, c := range f.Announce {
		p.Announce = append(p.Announce, release.Channel{Name: r.adapterName(fmt.Sprintf("$.announce[%d]", i), c)})
	}
	for i, c := range f.Results {
		p.Results = append(p.Results, release.Channel{Name: r.adapterName(fmt.Sprintf("$.results[%d]", i), c)})
	}
	switch {
	case len(p.Targets) > 0 && len(p.Keys) == 0 && !f.Unsigned:
		r.Fail("$.targets", "releases would be published unsigned: name keys, or say unsigned: true")
	case len(p.Keys) > 0 && f.Unsigned:
		r.Fail("$.unsigned", "it names keys, too")
	}
	r.unique("$.trackers", len(p.Trackers), func(i int) string { return p.Trackers[i].Name })
	r.unique("$.targets", len(p.Targets), func(i int) string { return p.Targets[i].Name })
	r.unique("$.keys", len(p.Keys), func(i int) string { return p.Keys[i].Name })
	r.unique("$.announce", len(p.Announce), func(i int) string { return p.Announce[i].Name })
	r.unique("$.results", len(p.Results), func(i int) string { return p.Results[i].Name })
}
