package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/config"
	"assay/release/history"
)

// stageFlags are what every command of the release stage takes.
type stageFlags struct {
	config  string
	stream  string
	as      string
	machine string
	clock   string
	yes     bool
	json    bool
	// role is that in which a command reaches a service; a person's when empty.
	role role
}

// configPlaces are where the configuration is looked for, first ASSAY_CONFIG.
var configPlaces = []string{"./assay.yaml", "/etc/assay/assay.yaml"}

// addTo adds the flags that every command has. Those that change something, and
// those that are about one stream, have more.
func (f *stageFlags) addTo(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", "", "the configuration (default $ASSAY_CONFIG, ./assay.yaml or /etc/assay/assay.yaml)")
	c.Flags().StringVar(&f.clock, "clock", "", "do as if it were this `TIME`; for histories of rehearsals only")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
}

func (f *stageFlags) streamTo(c *cobra.Command) {
	c.Flags().StringVar(&f.stream, "stream", "", "the stream, where the configuration has several")
}

func (f *stageFlags) jsonTo(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *stageFlags) changeTo(c *cobra.Command) {
	c.Flags().StringVar(&f.as, "as", "", "who says it (default the user of this process)")
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do it without asking")
	f.jsonTo(c)
}

// machineTo is for what machines report, too.
func (f *stageFlags) machineTo(c *cobra.Command, in role) {
	c.Flags().StringVar(&f.machine, "machine", "", "the machine that says it, by its name in the policy: no person does")
	c.MarkFlagsMutuallyExclusive("as", "machine")
	f.role = in
}

// stage is the release stage as one command sees it.
type stage struct {
	flags  *stageFlags
	cfg    *config.Config
	log    release.Log
	state  *release.State
	closer io.Closer // the history, where it is open here
	frozen time.Time // by --clock; zero is the real clock
	stderr func(format string, args ...any)
}

// readConfig reads the configuration that the flags ask for.
func (f *stageFlags) readConfig() (*config.Config, error) {
	path := f.config
	if path == "" {
		path = os.Getenv("ASSAY_CONFIG")
	}
	if path == "" {
		for _, p := range configPlaces {
			if _, err := os.Stat(p); err == nil {
				path = p
				break
			}
		}
	}
	if path == "" {
		return nil, usagef("there is no configuration of the release stage: name one with --config or ASSAY_CONFIG, or put it into %s (docs/release-tutorial.md shows one)", strings.Join(configPlaces, " or "))
	}
	cfg, err := config.Read(path)
	if err != nil {
		return nil, &usageError{err}
	}
	return cfg, nil
}

// now is the time of a command.
func (f *stageFlags) now(cfg *config.Config) (time.Time, error) {
	if f.clock == "" {
		return time.Time{}, nil
	}
	t, err := parseMoment(f.clock, time.Time{})
	if err != nil {
		return t, usagef("--clock: %w", err)
	}
	if !cfg.Rehearsal {
		return t, usagef("--clock is for rehearsals, and %s is not the configuration of one: set rehearsal: true there, with a history that may be thrown away", cfg.Path)
	}
	return t, nil
}

// open opens the stage with the history folded. Close it.
func (f *stageFlags) open(c *cobra.Command) (*stage, error) {
	cfg, err := f.readConfig()
	if err != nil {
		return nil, err
	}
	frozen, err := f.now(cfg)
	if err != nil {
		return nil, err
	}
	s := &stage{flags: f, cfg: cfg, frozen: frozen, stderr: teller(c)}
	if err := s.connect(c.Context()); err != nil {
		return nil, err
	}
	if s.state, err = release.Load(c.Context(), s.log); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the history in %s: %w", cfg.History.Dir, err), s.Close())
	}
	if s.state.Head().Seq == 0 {
		return nil, errors.Join(noHistory(cfg), s.Close())
	}
	return s, nil
}

// with opens the stage for do, and closes it.
func (f *stageFlags) with(c *cobra.Command, do func(*stage) error) error {
	s, err := f.open(c)
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s)
}

// withPolicy is with for a command about the stream that the flags name.
func (f *stageFlags) withPolicy(c *cobra.Command, do func(*stage, *release.Policy) error) error {
	return f.with(c, func(s *stage) error {
		p, err := s.policy()
		if err != nil {
			return err
		}
		return do(s, p)
	})
}

// withBuild is withPolicy for a command about one build of the stream.
func (f *stageFlags) withBuild(c *cobra.Command, name string, do func(*stage, *release.Policy, *release.Build) error) error {
	return f.withPolicy(c, func(s *stage, p *release.Policy) error {
		b, err := s.build(p, name)
		if err != nil {
			return err
		}
		return do(s, p, b)
	})
}

// Close lets others have the history.
func (s *stage) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

func (s *stage) now() time.Time {
	if !s.frozen.IsZero() {
		return s.frozen
	}
	return time.Now()
}

func noHistory(cfg *config.Config) error {
	return usagef("there is no history in %s: `assay history init` begins one, `assay history import` brings one in", cfg.History.Dir)
}

// patience is how long a command waits for another that has the history open.
const patience = 15 * time.Second

// connect opens the history, or reaches the service that has it open.
func (s *stage) connect(ctx context.Context) error {
	if !hasHistory(s.cfg) {
		return noHistory(s.cfg)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		h, err := openHistory(ctx, s.cfg, inOurWords(s.stderr))
		if err == nil {
			s.log, s.closer = h, h
			return nil
		}
		if !errors.Is(err, history.ErrLocked) {
			return err
		}
		who, err := s.flags.who(s.cfg)
		if err != nil {
			return err
		}
		remote, rerr := dialService(ctx, s.cfg, who, cmp.Or(s.flags.role, person))
		if rerr == nil && !s.frozen.IsZero() {
			return usagef("a service has the history open, and has a clock of its own: stop it before you use --clock")
		}
		if rerr == nil {
			s.log = remote
			return nil
		}
		if !errors.Is(rerr, errNoService) {
			return rerr
		}
		// A command of a moment, or a service that starts or ends.
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("%w; no service answers in its name either (%w). Try again, or look who holds the lock: fuser %s", err, rerr, filepath.Join(s.cfg.History.Dir, "lock"))
		}
	}
}

// pause waits for d, and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hasHistory tells a folder that never had a history, which may be a typing
// error, from one to be opened.
func hasHistory(cfg *config.Config) bool {
	if cfg.History.URL != "" {
		return true
	}
	for _, name := range []string{"anchor.json", "jetstream"} {
		if _, err := os.Stat(filepath.Join(cfg.History.Dir, name)); err == nil {
			return true
		}
	}
	return false
}

func openHistory(ctx context.Context, cfg *config.Config, tell func(string, ...any)) (*history.History, error) {
	h, err := history.Open(ctx, historyOptions(cfg, tell))
	if errors.Is(err, history.ErrHalfImport) {
		return nil, &usageError{err}
	}
	return h, err
}

// inOurWords leaves out what the event store itself says, for commands: what it
// means is a finding, which they show.
func inOurWords(tell func(string, ...any)) func(string, ...any) {
	return func(format string, args ...any) {
		if !strings.HasPrefix(format, history.StoreSays) {
			tell(format, args...)
		}
	}
}

func historyOptions(cfg *config.Config, tell func(string, ...any)) history.Options {
	c := cfg.History
	return history.Options{Dir: c.Dir, URL: c.URL, Credentials: c.Credentials, Stream: c.Stream, Replicas: c.Replicas, Log: tell}
}

// policy is that of the stream that the flags name, or of the only one.
func (s *stage) policy() (*release.Policy, error) { return policyOf(s.cfg, s.flags.stream) }

func policyOf(cfg *config.Config, stream string) (*release.Policy, error) {
	all := cfg.Streams()
	if stream == "" {
		if len(all) == 1 {
			return all[0], nil
		}
		return nil, usagef("%s has %d streams: say which with --stream", cfg.Path, len(all))
	}
	if p := cfg.Stream(release.Stream(stream)); p != nil {
		return p, nil
	}
	var names []release.Stream
	for _, p := range all {
		names = append(names, p.Stream)
	}
	return nil, usagef("%s has no policy of stream %q, only of %v", cfg.Path, stream, names)
}

// build finds a build by its number or its upstream compose.
func (s *stage) build(p *release.Policy, name string) (*release.Build, error) {
	l := s.state.Line(p.Stream)
	if b := l.ByCompose(name); b != nil && name != "" {
		return b, nil
	}
	id, err := release.ParseBuildID(name)
	if err != nil {
		return nil, usagef("%s has no compose %q, and it is no build number: %w", p.Stream, name, err)
	}
	if b := l.Build(id); b != nil && !b.Seen.IsZero() {
		return b, nil
	}
	return nil, usagef("there is no build %s of %s: `assay build list --stream %[2]s` lists them", id, p.Stream)
}

// who is the person that a change is recorded for, or the machine.
func (f *stageFlags) who(cfg *config.Config) (release.Actor, error) {
	if f.machine != "" {
		a := release.Actor{Kind: release.Service, Name: f.machine}
		if err := a.Validate(); err != nil || a.Name == release.Self.Name {
			return a, usagef("--machine %q: want the name of another machine than the stage itself (%v)", f.machine, err)
		}
		return a, nil
	}
	name := f.as
	if name == "" {
		u, err := user.Current()
		if err != nil || u.Username == "" {
			return release.Actor{}, usagef("cannot find out who you are (%w): say so with --as NAME", err)
		}
		name = u.Username
	}
	a := release.Actor{Kind: release.Person, Name: name, Groups: cfg.GroupsOf(name)}
	if err := a.Validate(); err != nil {
		return a, usagef("--as %q: %w", name, err)
	}
	return a, nil
}
