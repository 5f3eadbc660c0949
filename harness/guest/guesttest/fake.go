// Package guesttest has what tests of guests need: a scripted fake Guest for
// tests of suites, an in-process SSH server for tests of the SSH guest, and a
// conformance kit that runs the same cases on every kind of guest.
//
// It is for tests only. The server runs commands on the machine that runs the
// tests, in a folder of the test.
package guesttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"assay/harness/guest"
)

// Fake is a Guest whose answers a test writes down beforehand. A call that
// nobody planned fails the test and panics, with the whole call in the message.
type Fake struct {
	t testing.TB

	mu       sync.Mutex
	name     string
	scale    float64
	bootID   string
	boots    int
	plans    []*Plan
	files    map[string]fileAnswer
	writes   map[string]bool
	written  map[string][]byte
	journal  map[int]journalAnswer
	dials    map[int]func() (io.ReadWriteCloser, error)
	reboot   func() error
	powerCut func() error
	calls    []Call
}

// Fake is a Guest.
var _ guest.Guest = (*Fake)(nil)

type fileAnswer struct {
	content []byte
	err     error
}

type journalAnswer struct {
	entries []guest.Entry
	err     error
}

// Call is one command that the code under test ran.
type Call struct {
	Args  []string
	User  string
	Env   map[string]string
	Stdin string
}

// New makes a fake named "fake", with scale 1 and a boot id, that knows no answer yet.
func New(t testing.TB) *Fake {
	return &Fake{
		t: t, name: "fake", scale: 1, bootID: bootID(1), boots: 1,
		files:   map[string]fileAnswer{},
		writes:  map[string]bool{},
		written: map[string][]byte{},
		journal: map[int]journalAnswer{},
		dials:   map[int]func() (io.ReadWriteCloser, error){},
	}
}

// bootID is the boot id of the fake's n-th boot.
func bootID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// SetName and SetScale change what Name and Scale return.
func (f *Fake) SetName(name string) { f.mu.Lock(); f.name = name; f.mu.Unlock() }

// SetScale changes what Scale returns.
func (f *Fake) SetScale(s float64) { f.mu.Lock(); f.scale = s; f.mu.Unlock() }

// HasFile plans that path holds content.
func (f *Fake) HasFile(path, content string) { f.file(path, fileAnswer{content: []byte(content)}) }

// LacksFile plans that path does not exist: fs.ErrNotExist.
func (f *Fake) LacksFile(path string) {
	f.file(path, fileAnswer{err: &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}})
}

// FileFails plans that reading path gives err.
func (f *Fake) FileFails(path string, err error) { f.file(path, fileAnswer{err: err}) }

func (f *Fake) file(path string, a fileAnswer) { f.mu.Lock(); f.files[path] = a; f.mu.Unlock() }

// TakesFile plans that path may be written; it can be read back afterwards,
// through the guest and with Written. A pattern as in path/filepath.Match.
func (f *Fake) TakesFile(pattern string) { f.mu.Lock(); f.writes[pattern] = true; f.mu.Unlock() }

// Written is what was last written to path, and whether anything was.
func (f *Fake) Written(path string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.written[path]
	return string(b), ok
}

// Logs plans the journal of this boot. Queries filter it by unit, transport,
// priority and expression, as journalctl would.
func (f *Fake) Logs(entries ...guest.Entry) { f.LogsInBoot(0, entries...) }

// LogsInBoot plans the journal of an earlier boot (-1 is the one before).
func (f *Fake) LogsInBoot(boot int, entries ...guest.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal[boot] = journalAnswer{entries: entries}
}

// LogsFail plans that reading the journal of a boot gives err.
func (f *Fake) LogsFail(boot int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal[boot] = journalAnswer{err: err}
}

// OnDial plans what connecting to a port gives.
func (f *Fake) OnDial(port int, answer func() (io.ReadWriteCloser, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials[port] = answer
}

// OnReboot plans reboots: then is called (it may change plans), and unless it
// returns an error the boot id is a new one. nil is a reboot that works.
func (f *Fake) OnReboot(then func() error) {
	if then == nil {
		then = func() error { return nil }
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reboot = then
}

// OnPowerCut plans power cuts as OnReboot plans reboots.
func (f *Fake) OnPowerCut(then func() error) {
	if then == nil {
		then = func() error { return nil }
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.powerCut = then
}

// Calls are the commands run so far, oldest first.
func (f *Fake) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

// AssertAllUsed fails the test for each planned command that was never run.
func (f *Fake) AssertAllUsed() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.plans {
		if p.used == 0 {
			f.t.Errorf("fake guest: nobody ran %s", p)
		}
	}
}

// unplanned fails the test and panics; the panic is what stops code under
// test, the failure is what survives a recover.
func (f *Fake) unplanned(format string, args ...any) {
	msg := "fake guest: nobody planned " + fmt.Sprintf(format, args...)
	f.t.Error(msg)
	panic(msg)
}

// Name is "fake" unless SetName was called.
func (f *Fake) Name() string { f.mu.Lock(); defer f.mu.Unlock(); return f.name }

// Scale is 1 unless SetScale was called.
func (f *Fake) Scale() float64 { f.mu.Lock(); defer f.mu.Unlock(); return f.scale }

// BootID changes with each planned reboot.
func (f *Fake) BootID() string { f.mu.Lock(); defer f.mu.Unlock(); return f.bootID }

// Run answers as the newest plan that fits says.
func (f *Fake) Run(ctx context.Context, c guest.Command) (guest.Result, error) {
	if err := f.alive(ctx, "run "+strings.Join(c.Args, " ")); err != nil {
		return guest.Result{}, err
	}
	call := Call{Args: append([]string(nil), c.Args...), User: c.User, Env: c.Env}
	if c.Stdin != nil {
		in, err := io.ReadAll(c.Stdin)
		if err != nil {
			return guest.Result{}, err
		}
		call.Stdin = string(in)
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	var a *answer
	for i := len(f.plans) - 1; i >= 0 && a == nil; i-- {
		if f.plans[i].fits(call) {
			a = f.plans[i].next()
		}
	}
	f.mu.Unlock()
	if a == nil {
		f.unplanned("the command %q (user %q)", c.Args, c.User)
	}
	if a.do != nil {
		return a.do(call)
	}
	if a.err != nil {
		return guest.Result{}, a.err
	}
	for _, w := range []struct {
		to   io.Writer
		text string
	}{{c.Stdout, a.result.Stdout}, {c.Stderr, a.result.Stderr}} {
		if w.to != nil {
			if _, err := io.WriteString(w.to, w.text); err != nil {
				return guest.Result{}, err
			}
		}
	}
	return a.result, nil
}

func (f *Fake) alive(ctx context.Context, op string) error {
	if ctx.Err() != nil {
		return &guest.TransportError{Guest: f.Name(), Op: op, Err: context.Cause(ctx)}
	}
	return nil
}

// ReadFile answers from HasFile, LacksFile, FileFails and earlier writes.
func (f *Fake) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	if err := f.alive(ctx, "read "+path); err != nil {
		return nil, err
	}
	f.mu.Lock()
	a, ok := f.files[path]
	f.mu.Unlock()
	switch {
	case !ok:
		f.unplanned("reading the file %q", path)
	case a.err != nil:
		return nil, a.err
	case int64(len(a.content)) > limit:
		return nil, &guest.TooLargeError{Path: path, Limit: limit}
	}
	return bytes.Clone(a.content), nil
}

// WriteFile takes what TakesFile allows.
func (f *Fake) WriteFile(ctx context.Context, path string, content io.Reader, _ fs.FileMode) error {
	if err := f.alive(ctx, "write "+path); err != nil {
		return err
	}
	f.mu.Lock()
	allowed := false
	for pattern := range f.writes {
		ok, err := filepath.Match(pattern, path)
		allowed = allowed || pattern == path || (err == nil && ok)
	}
	f.mu.Unlock()
	if !allowed {
		f.unplanned("writing the file %q", path)
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written[path] = b
	f.files[path] = fileAnswer{content: b}
	return nil
}

// Reboot does what OnReboot plans.
func (f *Fake) Reboot(ctx context.Context) error {
	if err := f.alive(ctx, "reboot"); err != nil {
		return err
	}
	f.mu.Lock()
	then := f.reboot
	f.mu.Unlock()
	if then == nil {
		f.unplanned("a reboot")
	}
	if err := then(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boots++
	f.bootID = bootID(f.boots)
	return nil
}

// AwaitReboot does what OnReboot plans, unless the boot is another one already.
func (f *Fake) AwaitReboot(ctx context.Context, was string) error {
	if f.BootID() != was {
		return nil
	}
	return f.Reboot(ctx)
}

// PowerCut does what OnPowerCut plans.
func (f *Fake) PowerCut(ctx context.Context) error {
	if err := f.alive(ctx, "cut the power"); err != nil {
		return err
	}
	f.mu.Lock()
	then := f.powerCut
	f.mu.Unlock()
	if then == nil {
		f.unplanned("a power cut")
	}
	if err := then(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boots++
	f.bootID = bootID(f.boots)
	return nil
}

// Journal filters what Logs and LogsInBoot planned.
func (f *Fake) Journal(ctx context.Context, q guest.JournalQuery) ([]guest.Entry, error) {
	if err := f.alive(ctx, "read the journal"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	a, ok := f.journal[q.Boot]
	f.mu.Unlock()
	if !ok {
		f.unplanned("reading the journal %+v", q)
	}
	if a.err != nil {
		return nil, a.err
	}
	return filterJournal(a.entries, q)
}

func filterJournal(entries []guest.Entry, q guest.JournalQuery) ([]guest.Entry, error) {
	var grep *regexp.Regexp
	priority := 7
	var err error
	if q.Grep != "" {
		expr := q.Grep
		// journalctl ignores case when the expression is all lower case.
		if expr == strings.ToLower(expr) {
			expr = "(?i)" + expr
		}
		if grep, err = regexp.Compile(expr); err != nil {
			return nil, fmt.Errorf("cannot use the expression %q in a fake journal: %w", q.Grep, err)
		}
	}
	if q.MaxPriority != "" {
		if priority, err = strconv.Atoi(q.MaxPriority); err != nil {
			return nil, errors.New("a fake journal wants a number as the priority")
		}
	}
	var out []guest.Entry
	for _, e := range entries {
		if (q.Unit == "" || e.Unit == q.Unit) && (q.Transport == "" || e.Transport == q.Transport) &&
			e.Priority <= priority && (grep == nil || grep.MatchString(e.Message)) {
			out = append(out, e)
		}
	}
	limit := q.Limit
	if limit == 0 {
		limit = guest.DefaultJournalLimit
	}
	if len(out) > limit {
		out = out[len(out)-limit:]
	}
	return out, nil
}

// Dial does what OnDial plans.
func (f *Fake) Dial(ctx context.Context, port int) (io.ReadWriteCloser, error) {
	if err := f.alive(ctx, fmt.Sprintf("connect to port %d", port)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	answer, ok := f.dials[port]
	f.mu.Unlock()
	if !ok {
		f.unplanned("connecting to port %d", port)
	}
	return answer()
}
