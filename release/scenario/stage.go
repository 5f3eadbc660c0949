package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"assay/release"
	"assay/release/adapters"
	"assay/release/config"
	"assay/release/engine"
	"assay/release/history"
)

// stage is the release stage, put together as `assay serve` does, with a clock
// that is set by hand.
type stage struct {
	o       Options
	cfg     *config.Config
	history *history.History
	log     release.Log
	engine  *engine.Engine
	now     time.Time
}

func open(ctx context.Context, o Options, now time.Time) (_ *stage, err error) {
	s := &stage{o: o, now: now}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.cfg, err = config.Read(filepath.Join(o.Dir, "assay.yaml")); err != nil {
		return nil, err
	}
	if missing := adapters.Missing(s.cfg); len(missing) > 0 {
		return nil, errors.New(missing[0])
	}
	if s.history, err = history.Open(ctx, history.Options{Dir: s.cfg.History.Dir, Log: o.Tell}); err != nil {
		return nil, err
	}
	if err := s.history.Begin(ctx, now); err != nil {
		return nil, err
	}
	s.log = s.history
	if o.Wrap != nil {
		s.log = o.Wrap(s.log)
	}
	with := func(ctx context.Context, do func(*release.State) error) error { return s.engine.With(ctx, do) }
	clock := func() time.Time { return s.now }
	pages := &adapters.Pages{Config: s.cfg, Log: s.log, With: with, Now: clock}
	made, err := adapters.Open(s.cfg, adapters.Options{Log: s.log, Pages: pages, Grace: o.Grace})
	if err != nil {
		return nil, err
	}
	s.engine, err = engine.New(ctx, engine.Config{Log: s.log, Policies: s.cfg.Streams(), Adapters: made, Now: clock, Alone: true, Tell: o.Tell})
	return s, err
}

func (s *stage) close() error {
	if s == nil || s.history == nil {
		return nil
	}
	return s.history.Close()
}

// live is one moment: something happens, and the stage does what is due.
func (s *stage) live(ctx context.Context, m moment) error {
	s.now = m.at
	if err := m.do(ctx, s); err != nil {
		return err
	}
	_, err := s.engine.Step(ctx)
	return err
}

var (
	composer = release.Actor{Kind: release.Service, Name: "composer"}
	worker   = release.Actor{Kind: release.Service, Name: "worker"}
	signing  = release.Actor{Kind: release.Service, Name: "signing"}
)

func (s *stage) record(ctx context.Context, stream release.Stream, by release.Actor, facts ...release.Fact) error {
	var events []release.Event
	for _, f := range facts {
		e, err := release.NewEvent(stream, s.now, by, f)
		if err != nil {
			return err
		}
		events = append(events, e)
	}
	return s.engine.Record(ctx, s.cfg.Stream(stream), events...)
}

// deliver tells of the night's compose.
func (s *stage) deliver(ctx context.Context, d Day) error {
	switch d.Night.Kind {
	case Doomed:
		return s.record(ctx, Main, composer, &release.BuildFailed{Compose: composeName(Main, d), Status: "DOOMED", Ended: d.at("02:40").UTC(), Reason: d.Night.About})
	case Made:
	default:
		return nil
	}
	c, err := readCompose(s.builds(), Main, d.Build())
	if err != nil {
		return err
	}
	facts := []release.Fact{&c.Seen}
	for i := range c.Packages {
		facts = append(facts, &c.Packages[i])
	}
	if d.Night.Twice {
		facts = append(facts, facts...)
	}
	if d.Night.Contradicts {
		other := c.Seen
		other.Artifacts = append([]release.Artifact(nil), other.Artifacts...)
		other.Artifacts[0].Digest = digestOf([]byte("something else"))
		facts = append(facts, &other)
	}
	return s.record(ctx, Main, composer, facts...)
}

func (s *stage) builds() string { return filepath.Join(s.o.Dir, "builds") }

// work answers every test that was asked for and has no answer, as the night of
// the build has it.
func (s *stage) work(ctx context.Context) error {
	for _, stream := range []release.Stream{Main, Stable} {
		var facts []release.Fact
		err := s.engine.With(ctx, func(st *release.State) error {
			for b := range st.Line(stream).Builds() {
				night, _ := nightOf(stream, b.ID)
				for _, a := range b.Artifacts {
					if a.Attempt == 0 || a.Answer() != nil {
						continue
					}
					q := release.TestRequested{Build: b.ID, Artifact: a.ID, Digest: a.Digest, Attempt: a.Attempt}
					commit := ""
					for _, c := range b.Commits {
						if c.Arch == a.ID.Arch() {
							commit = c.Checksum
						}
					}
					results := fmt.Sprintf("https://results.example/%s/%s/%s/%d", stream, b.ID, a.ID, a.Attempt)
					facts = append(facts, release.AnswerOf(q, run(night, q, a.Name, commit, s.now), results))
				}
			}
			return nil
		})
		if err == nil && len(facts) > 0 {
			err = s.record(ctx, stream, worker, facts...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func nightOf(stream release.Stream, id release.BuildID) (Night, Day) {
	for _, d := range Weeks {
		if d.Build() == id {
			if stream == Stable {
				return d.Signed, d
			}
			return d.Night, d
		}
	}
	panic("no day made " + id)
}

// say records what a person says, or sees it refused.
func (s *stage) say(ctx context.Context, w Word) error {
	who := release.Actor{Kind: release.Person, Name: w.Who, Groups: s.cfg.GroupsOf(w.Who)}
	err := s.record(ctx, w.Stream, who, w.Fact)
	switch {
	case w.Refused == "":
		return err
	case !errors.Is(err, release.ErrNotAllowed) || !strings.Contains(err.Error(), w.Refused):
		return fmt.Errorf("%s of %s is to be refused because it %s: %w", w.Fact.Type(), w.Who, w.Refused, err)
	}
	s.o.Tell("refused: %v", err)
	return nil
}

// sign is the signing build system's day: it answers the requests in its folder
// that it has not answered.
func (s *stage) sign(ctx context.Context, d Day) error {
	files, err := filepath.Glob(filepath.Join(s.o.Dir, "rebuilds", "*.json"))
	if err != nil {
		return err
	}
	var last release.RebuildRequested
	for _, f := range files {
		var deed struct{ Work release.RebuildRequested }
		raw, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(raw, &deed)
		}
		if err != nil {
			return err
		}
		if w := deed.Work; w.From.Build.Compare(last.From.Build) > 0 || w.From == last.From && w.Number > last.Number {
			last = w
		}
	}
	if last.Number == 0 {
		return errors.New("the signing build system was asked for nothing")
	}
	if d.Signed.Kind == Doomed {
		return s.record(ctx, Stable, signing, &release.RebuildFailed{From: last.From, Number: last.Number, Reason: d.Signed.About})
	}
	c, err := readCompose(s.builds(), Stable, d.Build())
	if err != nil {
		return err
	}
	c.Seen.From, c.Seen.Rebuild = &last.From, last.Number
	return s.record(ctx, Stable, signing, &c.Seen, &c.Packages[0])
}

// observe looks at what people did to bugs. A tracker that is down is looked at
// another time.
func (s *stage) observe(ctx context.Context) error {
	if err := s.engine.Observe(ctx); err != nil {
		s.o.Tell("%v", err)
	}
	return ctx.Err()
}

// account is what the stage says of the day. It is silent while it sleeps.
func (s *stage) account(ctx context.Context, m moment) (a Account, err error) {
	if s == nil {
		return a, nil
	}
	err = s.engine.With(ctx, func(st *release.State) error {
		a.Events = st.Head().Seq
		for stream, to := range map[release.Stream]*string{Main: &a.Main, Stable: &a.Stable} {
			*to = release.Decide(s.cfg.Stream(stream), st, m.at).Text()
			l := st.Line(stream)
			if n := len(l.Releases); n > 0 && !l.Releases[n-1].At.Before(m.day.at("00:00")) && l.Releases[n-1].Revoked == nil {
				*to = fmt.Sprintf("%s %s is released: %s", stream, l.Releases[n-1].Build, l.Releases[n-1].Reasons[0])
			}
		}
		return nil
	})
	return a, err
}
