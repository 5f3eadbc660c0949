package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"assay/release"
)

// Recorder adds facts to the history. Bring calls decide with the state, perhaps
// several times, and records what it returns as said by an actor, if
// release.Allow lets it; it returns when that is on stable storage.
type Recorder interface {
	Bring(ctx context.Context, p *release.Policy, by release.Actor, decide func(*release.State) ([]release.Fact, error)) error
}

// Options are what an intake needs of others.
type Options struct {
	Policies []*release.Policy
	Record   Recorder
	// Tell is told of what was rejected, put off, or taken; nil is silence.
	Tell func(format string, args ...any)
}

// Intake listens to one bus.
type Intake struct {
	name   string
	config Config
	o      Options
	// fetchTime bounds the fetching of a compose's metadata; later is how long a
	// message is put off, and patience how often.
	fetchTime, later time.Duration
	patience         int
	// held and failing are what Run keeps of a queue that is given.
	held    []held
	failing map[fingerprint]time.Time
	// before is called before a message is acknowledged; tests crash there.
	before func()
}

// New checks the configuration of the bus called name. It opens no connection.
func New(name string, c Config, o Options) (*Intake, error) {
	if err := c.check(o.Policies); err != nil {
		return nil, fmt.Errorf("cannot learn of builds from %s: %w", name, err)
	}
	in := &Intake{name: name, config: c, o: o, fetchTime: time.Minute, later: 5 * time.Minute, patience: 24 * 12, before: func() {}}
	if err := in.actor().Validate(); err != nil || name == release.Self.Name {
		return nil, fmt.Errorf("cannot learn of builds from %.40q: want the name of a machine, other than the stage itself: %w", name, errors.Join(err))
	}
	if o.Tell == nil {
		in.o.Tell = func(string, ...any) {}
	}
	return in, nil
}

func (in *Intake) actor() release.Actor { return release.Actor{Kind: release.Service, Name: in.name} }

func (in *Intake) policy(s release.Stream) *release.Policy {
	for _, p := range in.o.Policies {
		if p.Stream == s {
			return p
		}
	}
	return &release.Policy{Stream: s}
}

// take has what a message tells recorded. Taken again, it changes nothing. What
// one stream refuses keeps no other from its news.
func (in *Intake) take(ctx context.Context, m message) error {
	all, err := in.read(ctx, m)
	errs := []error{err}
	for _, n := range all {
		errs = append(errs, in.record(ctx, n))
	}
	var refused, mending []error
	for _, err := range errs {
		switch {
		case errors.Is(err, errRefused):
			refused = append(refused, err)
		case err != nil:
			mending = append(mending, err)
		}
	}
	if len(mending) > 0 {
		return errors.Join(mending...) // what is refused is refused again
	}
	return errors.Join(refused...)
}

// record adds what a message tells of one stream.
func (in *Intake) record(ctx context.Context, n news) error {
	said := ""
	err := in.o.Record.Bring(ctx, in.policy(n.stream), in.actor(), func(s *release.State) ([]release.Fact, error) {
		f, err := n.fact(s.Line(n.stream))
		if f == nil || err != nil {
			return nil, err
		}
		if err := f.Validate(); err != nil {
			return nil, refuse("%s %s: %w", n.stream, f.Type(), err)
		}
		said = string(f.Type())
		return []release.Fact{f}, nil
	})
	if errors.Is(err, release.ErrNotAllowed) {
		err = refuse("%w", err)
	}
	if err == nil && said != "" {
		in.o.Tell("%s: %s from %s (%s)", n.stream, said, in.name, n.compose())
	}
	return err
}

func (n news) compose() string {
	if n.seen != nil {
		return n.seen.Compose
	}
	return n.failed.Compose
}

// fact is what the history lacks of the news, nil when it has it all.
func (n news) fact(l *release.Line) (release.Fact, error) {
	if n.failed != nil {
		for _, f := range l.Failures {
			if !f.Missing && f.Compose == n.failed.Compose {
				return nil, nil
			}
		}
		return n.failed, nil
	}
	part := *n.seen
	if err := isOvertaken(l, part.Compose); err != nil {
		return nil, err
	}
	part.Build = l.NextBuildID(part.Compose, n.day)
	b := l.Build(part.Build)
	if b != nil && !b.Created.IsZero() {
		// One build was made at one time and of one source, whenever its parts are
		// announced.
		part.Created = b.Created
		if part.From == nil {
			part.From, part.Rebuild = b.From, b.Rebuild
		}
	}
	if b.Holds(&part) {
		return nil, nil
	}
	return &part, nil
}

// isOvertaken refuses a compose that has no number while a later respin of its
// day has one: its own would be higher, and it would count as the newer build.
func isOvertaken(l *release.Line, compose string) error {
	base, respin, ok := respinOf(compose)
	if !ok || l.ByCompose(compose) != nil {
		return nil
	}
	for b := range l.Builds() {
		if other, n, ok := respinOf(b.Compose); ok && other == base && n > respin {
			return refuse("compose %s is older than %s, which has the number %s already", compose, b.Compose, b.ID)
		}
	}
	return nil
}
