package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/adapters"
	"assay/release/config"
	"assay/release/engine"
	"assay/release/history"
	"assay/release/waiverdb"
)

func newServeCommand() *cobra.Command {
	f := &stageFlags{}
	var once bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the release stage: decide, release, answer questions",
		Long: `Runs the release stage: asks for tests, decides at release dates, has releases
signed, published and announced and bugs filed, each once, and answers over HTTP.
It ends in order at SIGTERM and SIGINT; killed at any moment, it goes on from there
when it is started again. One process at a time has the history open; other assay
commands reach it through this one.

  /v1/status[/STREAM]              how streams stand
  /v1/decision/STREAM[?at=TIME]    what is decided and why
  /v1/builds/STREAM[/BUILD]        builds
  POST /v1/builds/STREAM           a builder's build; .../failed for one that came to nothing
  /greenwave/api/v1.0/             the decision call of Greenwave
  /waiverdb/api/v1.0/              waivers in the form of WaiverDB
  /v1/work/                        tests, for workers (assay worker)
  /metrics, /healthz               for monitoring

It listens to the buses that the configuration has under intake for builds, looks
into its folders, runs its schedules, and follows the WaiverDB under waiverdb.

Everybody who reaches the address may read these. Reading the history itself and
changing anything needs a token from the file that serve.tokens names. With --once it
does what is due now, answers nobody and ends: for cron, and for rehearsals.`,
		Example: `  assay serve --config /etc/assay/assay.yaml
  assay serve --once
  curl -s http://127.0.0.1:8470/v1/status/fedora-43 | jq .out.build`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runServe(c, f, once) },
	}
	f.addTo(c)
	c.Flags().BoolVar(&once, "once", false, "do what is due now and end")
	return c
}

// service is a running release stage.
type service struct {
	cfg    *config.Config
	log    *history.History
	engine *engine.Engine
	tokens *tokens
	now    func() time.Time
	tell   *slog.Logger
	pages  *adapters.Pages
	// intakes are where it learns of builds.
	intakes []adapters.Intake
	// waived follows a WaiverDB; nil where there is none.
	waived *waiverdb.Follower
	// address is where it is reached while it runs.
	address address
	// desk hands out tests.
	desk workDesk
	// replays bounds the histories that are folded for questions about the past.
	replays chan struct{}
}

// with gives do the state, for adapters that are made before the engine.
func (s *service) with(ctx context.Context, do func(*release.State) error) error {
	return s.engine.With(ctx, do)
}

func runServe(c *cobra.Command, f *stageFlags, once bool) (err error) {
	cfg, err := f.readConfig()
	if err != nil {
		return err
	}
	frozen, err := f.now(cfg)
	if err != nil {
		return err
	}
	if !frozen.IsZero() && !once {
		return usagef("a service needs a clock that goes: --clock is for serve --once")
	}
	for _, m := range adapters.Missing(cfg) {
		err = errors.Join(err, usagef("%s", m))
	}
	if err != nil {
		return err
	}
	s := &service{cfg: cfg, now: time.Now, tell: slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)), replays: make(chan struct{}, 1)}
	if !frozen.IsZero() {
		s.now = func() time.Time { return frozen }
	}
	if s.tokens, err = readTokens(cfg.Serve.Tokens); err != nil {
		return err
	}
	if !hasHistory(cfg) {
		return noHistory(cfg)
	}
	if s.log, err = s.openHistory(c.Context()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.log.Close()) }()
	s.pages = &adapters.Pages{Config: cfg, Log: s.log, With: s.with, Now: s.now}
	made, err := adapters.Open(cfg, adapters.Options{Log: s.log, Pages: s.pages})
	if err != nil {
		return &usageError{err}
	}
	s.engine, err = engine.New(c.Context(), engine.Config{Log: s.log, Policies: cfg.Streams(), Adapters: made, Now: s.now,
		Timeouts: cfg.Serve.EffectTimeout, Alone: cfg.History.URL == "",
		Tell: func(format string, args ...any) { s.tell.Info(fmt.Sprintf(format, args...)) }})
	if err != nil {
		return err
	}
	if s.intakes, err = adapters.Intakes(cfg, s.now, s.engine, func(format string, args ...any) { s.tell.Info(fmt.Sprintf(format, args...)) }); err != nil {
		return &usageError{err}
	}
	if cfg.WaiverDB != nil {
		if s.waived, err = waiverdb.NewFollower(*cfg.WaiverDB, waiverdb.FollowOptions{Policies: cfg.Streams(), Stage: s.engine, Groups: cfg.GroupsOf, Now: s.now,
			Tell: func(format string, args ...any) { s.tell.Info(fmt.Sprintf(format, args...)) }}); err != nil {
			return usagef("%s: waiverdb: %w", cfg.Path, err)
		}
	}
	if err := s.engine.With(c.Context(), func(st *release.State) error {
		if st.Head().Seq == 0 {
			return noHistory(cfg)
		}
		for _, x := range st.Findings() {
			s.tell.Error("the history is damaged: nothing is released until somebody has looked", "event", x.Seq, "finding", x.Text)
		}
		return nil
	}); err != nil {
		return err
	}
	if once {
		return s.once(c)
	}
	return s.run(c.Context())
}

// openHistory waits for a command that has the history open for a moment.
func (s *service) openHistory(ctx context.Context) (*history.History, error) {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		h, err := openHistory(ctx, s.cfg, func(format string, args ...any) { s.tell.Warn(fmt.Sprintf(format, args...)) })
		if !errors.Is(err, history.ErrLocked) {
			return h, err
		}
		if a, aerr := readAddress(s.cfg); aerr == nil && a.isThere(limit) {
			return nil, fmt.Errorf("cannot serve the history in %s: a service has it open already (process %d, %s)", s.cfg.History.Dir, a.PID, a.URL)
		}
		if !pause(limit, 50*time.Millisecond) {
			return nil, err
		}
	}
}

// once does what is due and says how everything stands.
func (s *service) once(c *cobra.Command) error {
	if s.waived != nil {
		if err := s.waived.Poll(c.Context()); err != nil {
			s.tell.Warn("cannot follow waivers", "error", err)
		}
	}
	if _, err := s.engine.Step(c.Context()); err != nil {
		return err
	}
	if err := s.pages.Write(c.Context()); err != nil {
		return err
	}
	known := adapters.Names(s.cfg)
	return s.engine.With(c.Context(), func(st *release.State) error {
		for _, p := range s.cfg.Streams() {
			if err := standingOf(p, st, known, s.now()).text(c.OutOrStdout()); err != nil {
				return err
			}
		}
		return nil
	})
}

// shutdownTime is how long requests that are being answered may take when the
// service is to end.
const shutdownTime = 5 * time.Second

// run serves until ctx ends.
func (s *service) run(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Serve.Listen)
	if err != nil {
		return usagef("cannot listen at serve.listen: %w", err)
	}
	s.address = address{URL: "http://" + l.Addr().String(), PID: os.Getpid(), Key: rand.Text()}
	path := filepath.Join(s.cfg.History.Dir, addressFile)
	if err := writeAddress(path, s.address); err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { _ = os.Remove(path) }()
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.tell.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return ctx }}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	wg.Go(func() { _ = s.engine.Run(ctx, s.cfg.Serve.Tick) })
	wg.Go(func() { s.watchBugs(ctx) })
	wg.Go(func() { s.keepPages(ctx) })
	if s.waived != nil {
		wg.Go(func() { s.waived.Run(ctx) })
	}
	for _, in := range s.intakes {
		wg.Go(func() { in.Run(ctx) })
	}
	s.tell.Info("serving", "url", s.address.URL, "history", s.cfg.History.Dir, "streams", len(s.cfg.Streams()))
	select {
	case <-ctx.Done():
		err = nil
	case err = <-served:
		err = fmt.Errorf("cannot go on serving at %s: %w", l.Addr(), err)
	}
	cancel()
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer stop()
	if serr := server.Shutdown(end); serr != nil {
		_ = server.Close()
	}
	wg.Wait()
	s.tell.Info("ended in order")
	return err
}

// addressFile stands in the history's folder while a service has it open.
const addressFile = "serve.json"

// address is where a service is reached. With Key, which only those can read who
// may read the history, it proves that it is the one: what listens there after
// it was killed may be another.
type address struct {
	URL string `json:"url"`
	PID int    `json:"pid"`
	Key string `json:"key"`
}

// proof answers a nonce.
func (a address) proof(nonce string) string {
	m := hmac.New(sha256.New, []byte(a.Key))
	m.Write([]byte(nonce)) // which cannot fail
	return hex.EncodeToString(m.Sum(nil))
}

// isThere asks whether the service itself answers at its address.
func (a address) isThere(ctx context.Context) bool {
	nonce := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/v1/proof?nonce="+nonce, nil)
	if err != nil || a.Key == "" {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 100))
	return err == nil && hmac.Equal(raw, []byte(a.proof(nonce)))
}

func writeAddress(path string, a address) error {
	raw, err := json.Marshal(a)
	if err == nil {
		err = os.WriteFile(path+".new", append(raw, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write down where the service is reached: %w", err)
	}
	return nil
}

func readAddress(cfg *config.Config) (address, error) {
	var a address
	raw, err := os.ReadFile(filepath.Join(cfg.History.Dir, addressFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, errNoService
	}
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	return a, err
}

// pollBugs is how often trackers are asked what people did.
const pollBugs = 10 * time.Minute

// watchBugs records what people do to bugs, so that it is respected.
func (s *service) watchBugs(ctx context.Context) {
	every := s.cfg.Serve.PollBugs
	if every == 0 {
		every = pollBugs
	}
	for pause(ctx, every) {
		if err := s.engine.Observe(ctx); err != nil && ctx.Err() == nil {
			s.tell.Warn("cannot see what people did to bugs", "error", err)
		}
	}
}

// keepPages writes the site whenever the history moves, and now and then for the
// dates on it.
func (s *service) keepPages(ctx context.Context) {
	for ctx.Err() == nil {
		seq, err := s.pages.Head(ctx)
		if err == nil {
			err = s.pages.Write(ctx)
		}
		if err == nil {
			wait, cancel := context.WithTimeout(ctx, pagesAge)
			if err = s.log.Wait(wait, seq); wait.Err() != nil {
				err = nil
			}
			cancel()
		}
		rest := pagesPause
		if err != nil {
			rest = pagesRetry
			if ctx.Err() == nil {
				s.tell.Error("cannot write the site", "error", err)
			}
		}
		pause(ctx, rest)
	}
}

const (
	// pagesAge is how old a site may be that nothing has changed.
	pagesAge = 10 * time.Minute
	// pagesPause is the least time between two: a night of tests is many events,
	// and one site will do.
	pagesPause = 2 * time.Second
	// pagesRetry follows a site that could not be written.
	pagesRetry = time.Minute
)
