package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"assay/harness"
	"assay/harness/doctor"
	"assay/harness/machine"
	"assay/release"
	"assay/release/sign/scratch"
	"assay/release/sign/source"
	"assay/reports"
)

// workerCommand is the state of `assay worker`.
type workerCommand struct {
	service, name, folder, command, resultsURL string
	streams, kinds, arches                     []string
	once                                       bool
	alive                                      time.Duration

	url    *url.URL
	token  string
	id     string   // of this process
	not    []workID // whose answers were refused
	args   []string
	tell   *slog.Logger
	client *http.Client
}

func newWorkerCommand() *cobra.Command {
	w := &workerCommand{}
	c := &cobra.Command{
		Use:   "worker --service URL [flags] [-- RUN-FLAG...]",
		Short: "Test what the release stage asks for",
		Long: `Takes tests from a release stage, one at a time, runs ` + "`assay run`" + ` on each image, and
answers. What follows -- is for assay run: a selection that the policy does not let
runs leave out makes the answer worthless.

An image is tested only if its bytes are those that were announced. A run that came to
nothing is answered as undecided, with the reason, and the policy says whether the test
is repeated. While it runs, the service hears of it every half minute; a test that is no
longer wanted is ended. A worker that is killed is forgotten after two minutes, and
the test given to another.

The token is that of a worker, in ASSAY_TOKEN or the file that ASSAY_TOKEN_FILE names. The
host has to be able to run guests (` + "`assay doctor`" + `), unless --command runs them elsewhere.
It ends in order at SIGTERM and SIGINT.`,
		Example: `  ASSAY_TOKEN_FILE=/etc/assay/worker.token assay worker --service https://stage.example.org
  assay worker --service http://127.0.0.1:8470 --kind qcow2 --once -- --label '!slow'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if at := c.ArgsLenAtDash(); at != 0 && len(args) > 0 {
				return usagef("unexpected argument %q: flags of `assay run` follow --", args[0])
			}
			w.args = args
			return w.run(c)
		},
	}
	f := c.Flags()
	f.StringVar(&w.service, "service", "", "`URL` of assay serve: https, or http on this host (needed)")
	f.StringVar(&w.name, "name", "", "what this worker is called (default the host's name)")
	f.StringSliceVar(&w.streams, "stream", nil, "only tests of these streams")
	f.StringSliceVar(&w.kinds, "kind", nil, "only artifacts of these kinds, as qcow2 or vagrant-*")
	f.StringSliceVar(&w.arches, "arch", nil, "only artifacts of these architectures (default this host's)")
	f.StringVar(&w.folder, "folder", "assay-worker", "where images are fetched to and results kept")
	f.StringVar(&w.resultsURL, "results-url", "", "where people find the results folders, as an address (default their paths)")
	f.StringVar(&w.command, "command", "", "a `PROGRAM` to run in place of assay, with the same arguments")
	f.DurationVar(&w.alive, "alive", leaseTime/4, "how often the service hears of a test that runs")
	_ = f.MarkHidden("alive") // for tests
	f.BoolVar(&w.once, "once", false, "do one test, if there is any, and end")
	return c
}

func (w *workerCommand) run(c *cobra.Command) error {
	w.tell = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
	if err := w.prepare(c.Context()); err != nil {
		return err
	}
	rest := firstRest
	for c.Context().Err() == nil {
		t, err := w.claim(c.Context())
		what, noUse := "cannot ask for work", isFinal(err)
		if t != nil {
			what = idOf(*t).String() + " came to nothing"
			if err = w.do(c.Context(), *t); isFinal(err) {
				what = "the answer to " + idOf(*t).String() + " is refused, and this worker leaves the test alone from now on"
				w.not = append(w.not[max(0, len(w.not)+1-maxNot):], idOf(*t))
			}
		}
		switch {
		case c.Context().Err() != nil:
			return nil
		case err != nil && (noUse || w.once):
			return fmt.Errorf("%s: %w", what, err)
		case w.once && t == nil:
			w.tell.Info("there is no test for this worker", "arch", w.arches, "kind", w.kinds, "stream", w.streams)
			return nil
		case w.once:
			return nil
		case err == nil:
			rest = firstRest
			continue
		}
		w.tell.Error(what, "error", err, "next", rest)
		if !pause(c.Context(), rest) {
			return nil
		}
		rest = min(2*rest, lastRest)
	}
	return nil
}

// isFinal reports whether to say the same again would come to the same.
func isFinal(err error) bool {
	var refused *refusedError
	var usage *usageError
	return errors.As(err, &refused) || errors.As(err, &usage)
}

// maxNot is how many tests a worker leaves alone: those before are long over.
const maxNot = 200

// How long a worker waits when something went wrong: for a service that does not
// answer, or before the next test.
const (
	firstRest = time.Second
	lastRest  = time.Minute
)

// prepare checks what is given, and whether this host can run guests.
func (w *workerCommand) prepare(ctx context.Context) (err error) {
	w.url, err = url.Parse(strings.TrimRight(w.service, "/"))
	switch {
	case w.service == "":
		return usagef("--service is missing: the address of assay serve")
	case err != nil || w.url.Host == "" || w.url.User != nil || w.url.RawQuery != "" || w.url.Scheme != "https" && w.url.Scheme != "http":
		return usagef("--service: want https://HOST, without user and query")
	case w.url.Scheme == "http" && !isHere(w.url.Hostname()):
		return usagef("--service: http is for a service on this host; put a proxy that speaks TLS in front of others, and use https")
	}
	if w.token, err = tokenFor("", release.Actor{Kind: release.Service, Name: w.name}, worker); err != nil {
		return usagef("set ASSAY_TOKEN or ASSAY_TOKEN_FILE: work is for the holders of a worker's token")
	}
	if w.name == "" {
		if w.name, err = os.Hostname(); err != nil {
			return usagef("cannot find out what this host is called (%w): use --name", err)
		}
	}
	if err := checkWorker(w.name); err != nil {
		return usagef("--name: %w", err)
	}
	if len(w.arches) == 0 {
		w.arches = []string{string(hostArch())}
	}
	if w.folder, err = filepath.Abs(w.folder); err != nil {
		return usagef("--folder: %w", err)
	}
	if err := os.MkdirAll(w.folder, 0o755); err != nil {
		return usagef("--folder: %w", err)
	}
	if err := scratch.Sweep(w.fetched()); err != nil {
		return err
	}
	if w.command != "" {
		// Before a test is taken: each that comes to nothing is an attempt less.
		if _, err := exec.LookPath(w.command); err != nil {
			return usagef("--command %s: want a program that can be run: %w", w.command, errors.Unwrap(err))
		}
	} else {
		if w.command, err = os.Executable(); err != nil {
			return err
		}
		cache, err := harness.DefaultCache()
		if err != nil {
			return err
		}
		if r := doctor.Examine(ctx, doctor.Options{Cache: cache, URI: machine.DefaultURI(), MemoryMiB: harness.DefaultMemoryMiB}, doctor.ThisHost()); !r.Ready {
			return &refusedError{errors.New("this host cannot run guests, so it takes no tests: `assay doctor` says what is missing")}
		}
	}
	w.id = w.name + "-" + strings.ToLower(rand.Text()[:8])
	w.client = &http.Client{Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

func isHere(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// fetched is where images are for as long as they are tested.
func (w *workerCommand) fetched() string { return filepath.Join(w.folder, "fetched") }

// errGone means that a test is not wanted from this worker any more.
var errGone = errors.New("the test is not wanted from here any more")

// say posts to the service; into may be nil. found is false when the answer was
// that there is nothing.
func (w *workerCommand) say(ctx context.Context, path string, body, into any) (found bool, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.JoinPath("v1", "work", path).String(), bytes.NewReader(raw))
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		return false, fmt.Errorf("cannot reach the service: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, release.MaxEvent))
	if err != nil {
		return false, fmt.Errorf("cannot reach the service: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if into == nil {
			return true, nil
		}
		if err := json.Unmarshal(answer, into); err != nil {
			return false, fmt.Errorf("cannot understand the service at %s: %w", w.url, err)
		}
		return true, nil
	case http.StatusNoContent:
		return false, nil
	}
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Message == "" {
		said.Message = resp.Status
	}
	text := errors.New(reports.Line(said.Message, 1000))
	switch resp.StatusCode {
	case http.StatusGone:
		return false, fmt.Errorf("%w: %w", errGone, text)
	case statusRefused:
		return false, &refusedError{text}
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest, http.StatusNotFound:
		return false, usagef("the service at %s: %w", w.url, text)
	}
	err = fmt.Errorf("the service at %s: %w", w.url, text)
	if c := resp.StatusCode; c >= 400 && c < 500 && c != http.StatusRequestTimeout && c != http.StatusTooManyRequests {
		return false, &refusedError{err}
	}
	return false, err
}

// claim asks for a test; nil is none.
func (w *workerCommand) claim(ctx context.Context) (*release.Task, error) {
	q := claim{Worker: w.id, Arches: w.arches, Not: w.not, Wait: 30}
	if w.once {
		q.Wait = 0
	}
	for _, s := range w.streams {
		q.Streams = append(q.Streams, release.Stream(s))
	}
	for _, k := range w.kinds {
		q.Kinds = append(q.Kinds, release.Glob(k))
	}
	var t release.Task
	found, err := w.say(ctx, "claim", q, &t)
	if err != nil || !found {
		return nil, err
	}
	if err := errors.Join(t.Stream.Validate(), t.Request.Validate(), t.Artifact.Validate()); err != nil || t.Artifact.Digest != t.Request.Digest {
		return nil, fmt.Errorf("cannot understand the service at %s: %w", w.url, errors.Join(err, errors.New("the test makes no sense")))
	}
	return &t, nil
}

// do tests one artifact and answers.
func (w *workerCommand) do(ctx context.Context, t release.Task) error {
	w.tell.Info("testing", "test", idOf(t).String(), "image", t.Artifact.Name, "until", t.Request.Deadline)
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	working, stop := context.WithDeadlineCause(working, t.Request.Deadline, fmt.Errorf("%w: its time is up", errGone))
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	wg.Go(func() {
		for pause(working, w.alive) {
			if _, err := w.say(working, "alive", alive{w.id, idOf(t)}, nil); errors.Is(err, errGone) {
				cancel(err)
			} else if err != nil && working.Err() == nil {
				w.tell.Warn("cannot tell the service that a test runs", "error", err)
			}
		}
	})
	results := filepath.Join(w.folder, "results", string(t.Stream), string(t.Request.Build), t.Artifact.ID.Kind()+"-"+string(t.Artifact.ID.Arch()), fmt.Sprintf("%d-%s", t.Request.Attempt, rand.Text()[:6]))
	run, err := w.test(working, t, results)
	if cause := context.Cause(working); cause != nil {
		return cause // nobody waits for it, or we are to end
	}
	where := results
	if w.resultsURL != "" {
		rel, err := filepath.Rel(filepath.Join(w.folder, "results"), results)
		if err != nil {
			return err
		}
		where = strings.TrimRight(w.resultsURL, "/") + "/" + filepath.ToSlash(rel)
	}
	if errors.Is(err, errNoProgram) {
		return err // it says nothing about the test: another worker may have it
	}
	if err != nil {
		w.tell.Error("a test has no result", "test", idOf(t).String(), "error", err)
		run, where = w.nothing(t, err), ""
	}
	return w.answer(working, t, release.AnswerOf(t.Request, run, where))
}

// nothing is a run that answers no question, for a reason.
func (w *workerCommand) nothing(t release.Task, err error) *reports.Run {
	why := reports.Line("the worker "+w.name+" has no result: "+err.Error(), 1000)
	at := time.Now()
	if at.Before(t.Asked) {
		at = t.Asked // a clock that goes behind the stage's
	}
	return &reports.Run{ID: w.id + "-" + rand.Text()[:8], Image: reports.Image{Digest: t.Request.Digest}, Verdict: reports.Undecided, Reason: why, Incomplete: why, Finished: at}
}

// answer tells the service, and tries again while it cannot be reached: a run
// takes hours.
func (w *workerCommand) answer(ctx context.Context, t release.Task, a *release.TestAnswered) error {
	rest := firstRest
	for {
		_, err := w.say(ctx, "answer", workAnswer{w.id, t.Stream, a}, nil)
		switch {
		case err == nil:
			w.tell.Info("answered", "test", idOf(t).String(), "verdict", a.Verdict, "reason", a.Reason)
			return nil
		case isFinal(err):
			return err
		}
		w.tell.Warn("cannot answer", "test", idOf(t).String(), "error", err, "next", rest)
		if !pause(ctx, rest) {
			return errors.Join(context.Cause(ctx), err)
		}
		rest = min(2*rest, lastRest)
	}
}

// test fetches the image and runs it. What it returns is about the bytes that
// were announced, or an error.
func (w *workerCommand) test(ctx context.Context, t release.Task, results string) (*reports.Run, error) {
	image, done, err := w.fetch(ctx, t)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.MkdirAll(filepath.Dir(results), 0o755); err != nil {
		return nil, err
	}
	said, err := w.assayRun(ctx, image, results)
	if err != nil {
		return nil, err
	}
	run, err := reports.Read(results)
	if err != nil {
		return nil, fmt.Errorf("assay run left no results: %s: %w", cmp.Or(said, "it said nothing"), err)
	}
	if run.Image.Digest != t.Request.Digest {
		return nil, fmt.Errorf("the image that was run is %s, and %s was asked for", run.Image.Digest, t.Request.Digest)
	}
	return run, nil
}

// fetch brings the image here, unless it is a file of this host, and checks that
// it is the one.
func (w *workerCommand) fetch(ctx context.Context, t release.Task) (file string, done func(), err error) {
	dir, remove, err := scratch.Dir(w.fetched())
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if filepath.IsAbs(t.Artifact.Location) {
		if err := checkImage(ctx, t.Artifact.Location, t); err != nil {
			return "", nil, err
		}
		return t.Artifact.Location, remove, nil
	}
	file = filepath.Join(dir, t.Artifact.Name)
	r, err := source.Open(ctx, t.Artifact.Location)
	if err != nil {
		return "", nil, fmt.Errorf("cannot fetch the image: %w", err)
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	f, err := os.Create(file)
	if err != nil {
		return "", nil, err
	}
	// One byte more than announced tells that it is another.
	_, err = io.Copy(f, io.LimitReader(r, t.Artifact.Size+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", nil, fmt.Errorf("cannot fetch the image from %s: %w", t.Artifact.Location, err)
	}
	return file, remove, checkImage(ctx, file, t)
}

// checkImage refuses bytes other than those that were announced.
func checkImage(ctx context.Context, file string, t release.Task) error {
	got, err := fileDigest(ctx, file)
	if err != nil {
		return fmt.Errorf("cannot read the image: %w", err)
	}
	if got != t.Request.Digest {
		return fmt.Errorf("cannot test %s: it is %s at %s, and %s was announced", t.Artifact.Name, got, t.Artifact.Location, t.Request.Digest)
	}
	return nil
}

// assayRun runs it, and returns the end of what it said. That it judged the image
// is no error, whatever the verdict.
func (w *workerCommand) assayRun(ctx context.Context, image, results string) (string, error) {
	// It is to end with us: the signal comes with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	args := append([]string{"run", image, "--results", results}, w.args...)
	cmd := exec.CommandContext(ctx, w.command, args...) //nolint:gosec // ours, or the owner's
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	said := &lastWords{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = withoutTokens(os.Environ())
	if err := cmd.Start(); err != nil && ctx.Err() == nil {
		return "", fmt.Errorf("%w: %w", errNoProgram, err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err == nil:
		return said.line(), nil
	case errors.As(err, &exit) && (exit.ExitCode() == exitRejected || exit.ExitCode() == exitUndecided):
		return said.line(), nil
	}
	return "", fmt.Errorf("assay run: %w: %s", err, cmp.Or(said.line(), "it said nothing"))
}

// errNoProgram means that what runs the tests cannot be started.
var errNoProgram = errors.New("cannot start the program that runs tests")

// withoutTokens keeps the worker's token from what it runs.
func withoutTokens(env []string) (out []string) {
	for _, e := range env {
		if !strings.HasPrefix(e, "ASSAY_TOKEN=") && !strings.HasPrefix(e, "ASSAY_TOKEN_FILE=") {
			out = append(out, e)
		}
	}
	return out
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu sync.Mutex
	b  []byte
}

const maxWords = 2000

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if len(l.b) > maxWords {
		l.b = l.b[len(l.b)-maxWords:]
	}
	return len(p), nil
}

func (l *lastWords) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return reports.Line(strings.ToValidUTF8(string(l.b), ""), 600)
}
