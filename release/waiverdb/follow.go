package waiverdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/release"
	"assay/release/credentials"
	"assay/release/greenwave"
	"assay/reports"
)

// Config is a WaiverDB whose waivers are followed, as YAML has it.
type Config struct {
	// URL is the root of the API: "https://waiverdb.example/api/v1.0"; http:// for a
	// server on this host alone.
	URL                      string `yaml:"url"`
	credentials.Certificates `yaml:",inline"`
	// Poll is how often it is asked; five minutes when 0.
	Poll time.Duration `yaml:"poll"`
	// Life is how long after it was filed a waiver counts, for WaiverDB's have no
	// end; 28 days when 0.
	Life time.Duration `yaml:"life"`
	// Proxies are the users whom it is believed for whom they waive. A waiver that
	// another filed for somebody is refused.
	Proxies []string `yaml:"proxies"`
}

// The defaults. DefaultLife is as long as two releases of the usual cadence.
const (
	DefaultPoll = 5 * time.Minute
	DefaultLife = 28 * 24 * time.Hour
)

// Check fills in defaults and refuses what cannot be used. It opens no connection.
func (c *Config) Check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("url: want https://HOST/PATH, as https://waiverdb.example/api/v1.0")
	case u.Scheme == "http" && !credentials.IsLoopback(u.Hostname()):
		return errors.New("url: http is for a server on this host alone: whoever is in between could waive; use https")
	case c.Poll < 0 || c.Poll > 24*time.Hour || c.Poll > 0 && c.Poll < time.Second:
		return fmt.Errorf("poll: want a duration of up to a day, not %s", c.Poll)
	case c.Life < 0 || c.Life > 366*24*time.Hour:
		return fmt.Errorf("life: want a duration of up to a year, not %s", c.Life)
	case !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1.0"):
		return fmt.Errorf("url: want the root of the API, as %s/api/v1.0", strings.TrimSuffix(c.URL, "/"))
	}
	_, err = c.Certificates.Config(u.Hostname())
	c.Poll, c.Life = cmp.Or(c.Poll, DefaultPoll), cmp.Or(c.Life, DefaultLife)
	return err
}

// Stage is the history that waivers are recorded in; *engine.Engine is one.
type Stage interface {
	With(ctx context.Context, do func(*release.State) error) error
	Bring(ctx context.Context, p *release.Policy, by release.Actor, decide func(*release.State) ([]release.Fact, error)) error
}

// FollowOptions are what a follower needs of others.
type FollowOptions struct {
	Policies []*release.Policy
	Stage    Stage
	// Groups are those that a person is in.
	Groups func(name string) []string
	Now    func() time.Time
	// Tell is told of what was recorded and refused; nil is silence.
	Tell func(format string, args ...any)
}

// Follower records what people waive in a WaiverDB, and take back there, for
// builds that may still be released. It says so in their name: what the policy
// does not let them do, and waivers while the test runs, are refused as if they
// had said it here. It is for one goroutine.
type Follower struct {
	config  Config
	client  *Client
	o       FollowOptions
	refused map[refusal]string
}

// refusal is a waiver that was refused for one build.
type refusal struct {
	id     int64
	stream release.Stream
	build  release.BuildID
}

// NewFollower checks a configuration. It opens no connection.
func NewFollower(c Config, o FollowOptions) (*Follower, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	tls, err := c.Certificates.Config(u.Hostname())
	if err != nil {
		return nil, err
	}
	if o.Tell == nil {
		o.Tell = func(string, ...any) {}
	}
	transport := &http.Transport{TLSClientConfig: tls, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	f := &Follower{config: c, o: o, refused: map[refusal]string{}, client: &Client{URL: c.URL, HTTP: &http.Client{Timeout: time.Minute, Transport: transport,
		// Elsewhere may be anybody, and in the clear.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it sends us elsewhere: give the address itself")
		}}}}
	return f, nil
}

// Run polls until ctx ends. A server that is away is told of once, until it is
// back.
func (f *Follower) Run(ctx context.Context) {
	away := false
	for {
		err := f.Poll(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && away:
			f.o.Tell("waivers are followed at %s again", f.config.URL)
		case err != nil && !away:
			f.o.Tell("cannot follow waivers, tried every %s from now on: %v", f.config.Poll, err)
		}
		away = err != nil
		t := time.NewTimer(f.config.Poll)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// maxAhead is how far ahead of ours the clock of a server may be.
const maxAhead = 5 * time.Minute

// Bounds of a poll.
const (
	maxBuilds  = 100  // of a stream, the newest
	maxFilters = 25   // of a request
	maxWaivers = 1000 // of a request
)

// subject is a build by what WaiverDB calls it.
type subject struct{ item, version string }

// target is a build that waivers may be about.
type target struct {
	policy  *release.Policy
	build   release.BuildID
	version string
}

// Poll asks once, and records what is new. What is refused is told of once, as
// long as it is there and refused for the same reason.
func (f *Follower) Poll(ctx context.Context) error {
	if err := f.isWaiverDB(ctx); err != nil {
		return err
	}
	targets, subjects, err := f.targets(ctx)
	if err != nil {
		return err
	}
	heard := map[int64]bool{}
	var errs []error
	lists := slices.Collect(slices.Chunk(subjects, maxFilters))
	for len(lists) > 0 {
		list := lists[0]
		lists = lists[1:]
		waivers, err := f.of(ctx, list)
		switch {
		case errors.Is(err, errTooMuch) && len(list) > 1:
			// One of them has too many: the others are heard.
			lists = append(lists, slices.Collect(slices.Chunk(list, 1))...)
			continue
		case errors.Is(err, errTooMuch):
			errs = append(errs, err)
			continue
		case err != nil:
			return errors.Join(append(errs, err)...)
		}
		there := map[subject]map[int64]bool{}
		for _, w := range waivers {
			k := subject{w.Identifier, w.ProductVersion}
			if there[k] == nil {
				there[k] = map[int64]bool{}
			}
			there[k][w.ID], heard[w.ID] = true, true
		}
		for _, w := range greenwave.LatestWaivers(waivers) {
			for _, t := range targets[subject{w.Identifier, w.ProductVersion}] {
				errs = append(errs, f.take(ctx, t, w))
			}
		}
		for _, k := range list {
			for _, t := range targets[k] {
				errs = append(errs, f.forget(ctx, t, there[k], heard))
			}
		}
	}
	for r := range f.refused {
		if !heard[r.id] {
			delete(f.refused, r)
		}
	}
	return errors.Join(errs...)
}

// isWaiverDB refuses a release stage, this one or another: it leaves out waivers
// that were taken back, and does not say when one ends, so that ours would outlive
// it.
func (f *Follower) isWaiverDB(ctx context.Context) error {
	about, err := f.client.About(ctx)
	var status *StatusError
	switch {
	case errors.As(err, &status):
		return nil // and it says so no less when it is asked for waivers
	case err != nil:
		return err
	case about.Server == Assay:
		return fmt.Errorf("%s is a release stage and no WaiverDB: give waiverdb.url the address of one", f.config.URL)
	}
	return nil
}

// targets are the builds that waivers may be about.
func (f *Follower) targets(ctx context.Context) (out map[subject][]target, subjects []subject, err error) {
	out = map[subject][]target{}
	err = f.o.Stage.With(ctx, func(s *release.State) error {
		for _, p := range f.o.Policies {
			l, n := s.Line(p.Stream), 0
			for b := range l.Builds() {
				if n++; n > maxBuilds || isOver(l, b) {
					break
				}
				if b.Revoked != nil {
					continue
				}
				k := subject{greenwave.SubjectOf(b).Item, greenwave.ProductVersions(p)[0]}
				if out[k] == nil {
					subjects = append(subjects, k)
				}
				out[k] = append(out[k], target{p, b.ID, k.version})
			}
		}
		return nil
	})
	return out, subjects, err
}

// of are the waivers of builds, those too that a later one replaced. It is
// errTooMuch where they are not all.
func (f *Follower) of(ctx context.Context, list []subject) (out []greenwave.Waiver, err error) {
	var filters []Filter
	for _, s := range list {
		filters = append(filters, Filter{SubjectType: "compose", Identifier: s.item, ProductVersion: s.version})
	}
	all, err := f.client.all(ctx, filters...)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		// Whatever else the server sends was not asked for.
		if w.SubjectType == "compose" && slices.Contains(list, subject{w.Identifier, w.ProductVersion}) {
			out = append(out, w)
		}
	}
	if len(out) > maxWaivers {
		return nil, fmt.Errorf("%w: cannot take %d waivers from %s: more than %d for %s", errTooMuch, len(out), f.config.URL, maxWaivers, reports.Line(list[0].item, 200))
	}
	return out, nil
}

// isOver reports whether a build, and so every older one, is no news any more.
func isOver(l *release.Line, b *release.Build) bool {
	out := l.Out()
	return out != nil && b.ID.Compare(out.Build) <= 0
}

// isUndecided reports whether a build may still become the release of its date.
func isUndecided(l *release.Line, b *release.Build) bool {
	return b.Revoked == nil && !isOver(l, b)
}

// errRefused marks what is told of once.
var errRefused = errors.New("refused")

// take records one waiver about one build, or that it was taken back.
func (f *Follower) take(ctx context.Context, t target, w greenwave.Waiver) error {
	by := f.person(w.Username)
	said := ""
	err := f.o.Stage.Bring(ctx, t.policy, by, func(s *release.State) (facts []release.Fact, err error) {
		said = ""
		l := s.Line(t.policy.Stream)
		b := l.Build(t.build)
		if b == nil || !isUndecided(l, b) {
			return nil, nil
		}
		if w.Waived {
			facts, err = f.waive(t.policy, l, b, w)
		} else {
			facts = f.takeBack(b, w)
		}
		if len(facts) == 0 || err != nil {
			return nil, err
		}
		if w.ProxiedBy != nil && *w.ProxiedBy != w.Username && !slices.Contains(f.config.Proxies, *w.ProxiedBy) {
			return nil, fmt.Errorf("%w: %s filed it for %s, and is not one of waiverdb.proxies", errRefused, reports.Line(*w.ProxiedBy, 100), reports.Line(w.Username, 100))
		}
		for _, fact := range facts {
			if err := errors.Join(fact.Validate(), by.Validate()); err != nil {
				return nil, fmt.Errorf("%w: %w", errRefused, err)
			}
			said = string(fact.Type())
		}
		return facts, nil
	})
	return f.tell(t, w.ID, fmt.Sprintf("waiver %d of %s by %s at %s", w.ID, reports.Line(w.TestCase, 200), reports.Line(w.Username, 100), f.config.URL), said, err)
}

func (f *Follower) person(name string) release.Actor {
	by := release.Actor{Kind: release.Person, Name: name}
	if f.o.Groups != nil {
		by.Groups = f.o.Groups(name)
	}
	return by
}

// tell tells what became of a waiver: said is what was recorded, if anything was.
func (f *Follower) tell(t target, id int64, what, said string, err error) error {
	key := refusal{id, t.policy.Stream, t.build}
	switch {
	case errors.Is(err, errRefused) || errors.Is(err, release.ErrNotAllowed):
		if f.refused[key] != err.Error() {
			f.refused[key] = err.Error()
			f.o.Tell("%s %s: %s is not heard: %v", t.policy.Stream, t.build, what, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("cannot record %s: %w", what, err)
	case said != "":
		delete(f.refused, key)
		f.o.Tell("%s %s: %s: %s", t.policy.Stream, t.build, said, what)
	}
	return nil
}

// waive is what the history lacks of a waiver: nothing when it has it, when it
// has run out, or when it is about a check that is not ours.
func (f *Follower) waive(p *release.Policy, l *release.Line, b *release.Build, w greenwave.Waiver) ([]release.Fact, error) {
	name := waiverName(b.ID, w.ID)
	if l.Waiver(name) != nil || !isOurs(p, b, reports.CaseID(w.TestCase)) {
		return nil, nil
	}
	now := f.o.Now().UTC()
	filed, err := time.Parse("2006-01-02T15:04:05.999999999", strings.TrimSuffix(strings.TrimSuffix(w.Timestamp, "Z"), "+00:00"))
	if err != nil {
		return nil, fmt.Errorf("%w: its timestamp %.60q is no time", errRefused, w.Timestamp)
	}
	if filed.After(now.Add(maxAhead)) {
		return nil, fmt.Errorf("%w: it says it was filed at %s, and it is %s now: correct the clock", errRefused, filed.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if filed.After(now) {
		filed = now // its clock is not quite ours
	}
	out := &release.CheckWaived{Waiver: name, Build: b.ID, Check: reports.CaseID(w.TestCase), Expires: filed.Add(f.config.Life), Word: f.word(w), ProductVersion: w.ProductVersion}
	if w.Scenario != nil {
		out.Artifact = release.ArtifactID(*w.Scenario)
	}
	if !out.Expires.After(now) {
		return nil, nil
	}
	if err := isInformed(p, b, out.Artifact, filed, now); err != nil {
		return nil, err
	}
	return []release.Fact{out}, nil
}

// isInformed refuses a waiver that was filed before there was anything to waive:
// whoever filed it has not seen what the tests of this build found.
func isInformed(p *release.Policy, b *release.Build, covers release.ArtifactID, filed, now time.Time) error {
	early := func(what string, at time.Time) error {
		if filed.After(at) {
			return nil
		}
		return fmt.Errorf("%w: it was filed at %s, before %s at %s: look at that, and file it again", errRefused, filed.Format(time.RFC3339), what, at.UTC().Format(time.RFC3339))
	}
	if err := early("the build was announced", b.Seen); err != nil {
		return err
	}
	for _, want := range p.Artifacts {
		a := b.Artifact(want.ID)
		if a == nil || a.Attempt == 0 || covers != "" && covers != a.ID {
			continue // what is not there yet, Allow waits for
		}
		what, at := "the test of "+a.ID.String()+" was answered", a.AnsweredAt()
		if at.IsZero() && a.Deadline.After(now) {
			what, at = "the test of "+a.ID.String()+" was asked for", a.AskedAt // Allow knows whether it still runs
		} else if at.IsZero() {
			what, at = "the time of the test of "+a.ID.String()+" was up", a.Deadline
		}
		if err := early(what, at); err != nil {
			return err
		}
	}
	return nil
}

// forget withdraws what was recorded of waivers that the server has no more. It
// says so in the name of those who filed them: nobody else spoke.
func (f *Follower) forget(ctx context.Context, t target, there, heard map[int64]bool) error {
	lost := map[int64]release.Waiver{}
	gone := func(w *release.Waiver) (id int64, ok bool) {
		id, ok = waiverID(t.build, w.Waiver)
		return id, ok && w.Counts(f.o.Now()) && isOfVersion(w, t.version) && !there[id]
	}
	if err := f.o.Stage.With(ctx, func(s *release.State) error {
		if b := s.Line(t.policy.Stream).Build(t.build); b != nil {
			for _, w := range b.Waivers {
				if id, ok := gone(w); ok {
					lost[id] = *w
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(lost)) {
		heard[id] = true
		said, name := "", lost[id].Waiver
		err := f.o.Stage.Bring(ctx, t.policy, f.person(lost[id].By.Name), func(s *release.State) ([]release.Fact, error) {
			said = ""
			w := s.Line(t.policy.Stream).Waiver(name)
			if w == nil {
				return nil, nil
			}
			if _, ok := gone(w); !ok {
				return nil, nil
			}
			out := &release.WaiverWithdrawn{Waiver: name, Word: release.Word{Reason: "it is not among the waivers at " + f.config.URL + " any more", Tracker: w.Tracker}}
			said = string(out.Type())
			return []release.Fact{out}, nil
		})
		errs = append(errs, f.tell(t, id, fmt.Sprintf("waiver %d, which is gone from %s,", id, f.config.URL), said, err))
	}
	return errors.Join(errs...)
}

// takeBack withdraws what was recorded of earlier waivers of the same check,
// artifact and product version there.
func (f *Follower) takeBack(b *release.Build, w greenwave.Waiver) (out []release.Fact) {
	scenario := ""
	if w.Scenario != nil {
		scenario = *w.Scenario
	}
	for _, old := range b.Waivers {
		id, ok := waiverID(b.ID, old.Waiver)
		if ok && id < w.ID && old.Withdrawn == nil && isOfVersion(old, w.ProductVersion) && string(old.Check) == w.TestCase && string(old.Artifact) == scenario {
			out = append(out, &release.WaiverWithdrawn{Waiver: old.Waiver, Word: f.word(w)})
		}
	}
	return out
}

func (f *Follower) word(w greenwave.Waiver) release.Word {
	return release.Word{Reason: cmp.Or(reports.Line(w.Comment, 1000), "no comment"), Tracker: fmt.Sprintf("%s/waivers/%d", strings.TrimSuffix(f.config.URL, "/"), w.ID)}
}

func waiverPrefix(b release.BuildID) string { return string(b) + ":waiverdb#" }

func waiverName(b release.BuildID, id int64) string { return fmt.Sprint(waiverPrefix(b), id) }

// waiverID is the number that a waiver of a build has there; ok is false for one
// that came otherwise.
func waiverID(b release.BuildID, name string) (id int64, ok bool) {
	number, ok := strings.CutPrefix(name, waiverPrefix(b))
	id, err := strconv.ParseInt(number, 10, 64)
	return id, ok && err == nil
}

func isOfVersion(w *release.Waiver, version string) bool {
	return w.ProductVersion == "" || w.ProductVersion == version
}

// isOurs reports whether a check is one of our tests of the build: one that
// answered, that the policy requires, or, while tests run, one that may.
func isOurs(p *release.Policy, b *release.Build, check reports.CaseID) bool {
	for _, a := range b.Artifacts {
		ans := a.Answer()
		if ans == nil {
			if _, suite, ok := strings.Cut(string(check), "/"); a.Known && ok && suite != "" {
				return true
			}
			continue
		}
		if slices.Contains(ans.Passed, check) || slices.Contains(ans.PassedAdvisory, check) || slices.ContainsFunc(ans.Cases, func(c release.Case) bool { return c.Check == check }) {
			return true
		}
	}
	return slices.ContainsFunc(p.Require, func(r release.Required) bool { return r.Checks.Match(string(check)) })
}
