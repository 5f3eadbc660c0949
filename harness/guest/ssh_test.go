package guest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

func TestSSHConforms(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	guesttest.Conformance(t, func(testing.TB) guest.Guest { return g })
	if n := srv.Logins(); n != 1 {
		t.Errorf("%d logins; one connection was to be kept", n)
	}
}

// await gives a guest that is closed with the test.
func await(t *testing.T, cfg guest.SSHConfig) *guest.SSH {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	g, _, err := guest.Await(ctx, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func TestBrokenConnectionIsMadeAgain(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	srv.Drop()
	for range 3 {
		if r, err := guest.Ask(t.Context(), g, "true"); err != nil || !r.OK() {
			t.Fatalf("after a break: %+v, %v", r, err)
		}
	}
	if n := srv.Logins(); n != 2 {
		t.Errorf("%d logins; want 2", n)
	}
}

func TestCommandDiesWithConnection(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	var te *guest.TransportError
	begun := &signalWriter{at: "begun", c: make(chan struct{})}
	go func() { <-begun.c; srv.Drop() }()
	r, err := g.Run(t.Context(), guest.Command{Args: []string{"sh", "-c", "echo begun; sleep 30"}, Stdout: begun})
	if !errors.As(err, &te) || te.Guest != "inprocess" || r.Stdout != "begun\n" {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := guest.Ask(t.Context(), g, "true"); err != nil || !r.OK() {
		t.Errorf("the next command: %+v, %v", r, err)
	}
}

// signalWriter closes c when it has seen at.
type signalWriter struct {
	at  string
	got strings.Builder
	c   chan struct{}
}

func (w *signalWriter) Write(p []byte) (int, error) {
	before := strings.Contains(w.got.String(), w.at)
	w.got.Write(p)
	if !before && strings.Contains(w.got.String(), w.at) {
		close(w.c)
	}
	return len(p), nil
}

func TestDeadGuestIsNoticed(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	cfg := srv.Config()
	cfg.KeepAlive, cfg.KeepAliveLimit = 20*time.Millisecond, 200*time.Millisecond
	g := await(t, cfg)
	srv.Set(func(sw *guesttest.Switches) { sw.Hang, sw.Silent = true, true })
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := g.Run(ctx, guest.Command{Args: []string{"true"}, Limit: time.Hour})
	var te *guest.TransportError
	if !errors.As(err, &te) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("took %s to notice", took)
	}
}

func TestGuestThatRestartsIsNotTakenForTheSame(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	was := g.BootID()
	srv.Restart()
	for range 2 {
		var again *guest.RestartedError
		if _, err := guest.Ask(t.Context(), g, "true"); !errors.As(err, &again) || again.Was != was || again.Is != srv.BootID() {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := g.Reconnect(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if r, err := guest.Ask(t.Context(), g, "true"); err != nil || !r.OK() || g.BootID() != srv.BootID() {
		t.Errorf("after Reconnect: %+v, %v, boot id %s", r, err, g.BootID())
	}
}

func TestReboot(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.RebootTakes = 300 * time.Millisecond })
	g := await(t, srv.Config())
	was := g.BootID()
	if err := g.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.BootID() == was || g.BootID() != srv.BootID() {
		t.Errorf("boot id %s; before %s, the guest's %s", g.BootID(), was, srv.BootID())
	}
	if r, err := guest.Ask(t.Context(), g, "true"); err != nil || !r.OK() {
		t.Errorf("after the reboot: %+v, %v", r, err)
	}
}

func TestPowerCut(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	cfg := srv.Config()
	g := await(t, cfg)
	if err := g.PowerCut(t.Context()); !errors.Is(err, guest.ErrNoPower) {
		t.Errorf("without a way to: %v", err)
	}
	cfg.PowerCut = func(context.Context) error { srv.Restart(); return nil }
	g = await(t, cfg)
	was := g.BootID()
	if err := g.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.BootID() == was || g.BootID() != srv.BootID() {
		t.Errorf("boot id %s; before %s, the guest's %s", g.BootID(), was, srv.BootID())
	}
	cfg.PowerCut = func(context.Context) error { return errors.New("no machine") }
	g = await(t, cfg)
	if err := g.PowerCut(t.Context()); err == nil || !strings.Contains(err.Error(), "no machine") {
		t.Errorf("got %v", err)
	}
}

func TestAwaitReboot(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	was := g.BootID()
	time.AfterFunc(200*time.Millisecond, srv.Restart) // a program in the guest reboots it
	if err := g.AwaitReboot(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	if g.BootID() == was || g.BootID() != srv.BootID() {
		t.Errorf("boot id %s; before %s, the guest's %s", g.BootID(), was, srv.BootID())
	}
	if err := g.AwaitReboot(t.Context(), was); err != nil {
		t.Errorf("a reboot that is over: %v", err)
	}
	guest.SetRebootLimits(g, 300*time.Millisecond, 500*time.Millisecond)
	if err := g.AwaitReboot(t.Context(), g.BootID()); !errors.Is(err, guest.ErrRebootNotSeen) {
		t.Errorf("a reboot that does not come: %v", err)
	}
}

// TestAwaitRebootCountsBoots: boots that let somebody in and never come to their
// end are told, the one that is left is none of them.
func TestAwaitRebootCountsBoots(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	srv.Set(func(sw *guesttest.Switches) { sw.State = "starting" })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	boots := 0
	srv.On(func(e *guesttest.Exec) bool {
		switch {
		case !strings.Contains(e.Line, "is-system-running"):
			return false
		case boots == 3:
			cancel() // enough was seen
			return false
		}
		boots++
		srv.Restart()
		return true
	})
	was := g.BootID()
	srv.Restart()
	var nr *guest.NotReadyError
	if err := g.AwaitReboot(ctx, was); !errors.As(err, &nr) || len(nr.Boots) != 4 || nr.Boots[3] != srv.BootID() || !strings.Contains(err.Error(), "4 boots were seen") {
		t.Errorf("got %v", err)
	}
}

// TestAwaitRebootWantsABootID: a guest whose commands are killed as it goes down
// is in no new boot.
func TestAwaitRebootWantsABootID(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	srv.On(func(e *guesttest.Exec) bool {
		if strings.Contains(e.Line, "boot_id") {
			e.Exit = 143
			return true
		}
		return false
	})
	guest.SetRebootLimits(g, 300*time.Millisecond, 700*time.Millisecond)
	was := g.BootID()
	var nr *guest.NotReadyError
	if err := g.AwaitReboot(t.Context(), was); !errors.As(err, &nr) || len(nr.Boots) != 0 || !strings.Contains(err.Error(), "does not tell its boot id") {
		t.Errorf("got %v", err)
	}
}

func TestRebootThatDoesNotHappen(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.RebootIgnored = true })
	g := await(t, srv.Config())
	guest.SetRebootLimits(g, 300*time.Millisecond, 700*time.Millisecond)
	if err := g.Reboot(t.Context()); !errors.Is(err, guest.ErrRebootNotSeen) {
		t.Errorf("ignored: got %v", err)
	}
	// The connection breaks, but it is the old boot that answers.
	srv.On(func(e *guesttest.Exec) bool {
		if strings.HasSuffix(e.Line, "systemctl reboot") {
			srv.Drop()
			return true
		}
		return false
	})
	guest.SetRebootLimits(g, 5*time.Second, 1500*time.Millisecond)
	if err := g.Reboot(t.Context()); !errors.Is(err, guest.ErrRebootNotSeen) {
		t.Errorf("connection lost: got %v", err)
	}
}

func TestRebootWithoutReturn(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.RebootTakes = 2 * time.Second })
	g := await(t, srv.Config())
	guest.SetRebootLimits(g, 5*time.Second, 500*time.Millisecond)
	err := g.Reboot(t.Context())
	var nr *guest.NotReadyError
	var te *guest.TransportError
	if !errors.As(err, &te) || !errors.As(err, &nr) || nr.Stage != guest.StageNoAnswer || errors.Is(err, guest.ErrRebootNotSeen) {
		t.Errorf("got %v", err)
	}
}

func TestRebootThatIsRefused(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.On(func(e *guesttest.Exec) bool {
		if strings.HasSuffix(e.Line, "systemctl reboot") {
			_, _ = io.WriteString(e.Stderr, "Call to Reboot failed: Operation inhibited\n")
			e.Exit = 1
			return true
		}
		if strings.Contains(e.Line, "! -d /run/systemd/system") {
			e.Exit = 1
			return true
		}
		return false
	})
	g := await(t, srv.Config())
	if err := g.Reboot(t.Context()); err == nil || !strings.Contains(err.Error(), "Operation inhibited") {
		t.Errorf("got %v", err)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	var mu sync.Mutex
	var lines []string
	srv.On(func(e *guesttest.Exec) bool {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(e.Line, " mark") {
			lines = append(lines, e.Line[:strings.Index(e.Line, "env ")])
			return true
		}
		return false
	})
	for _, login := range []string{"core", "root"} {
		cfg := srv.Config()
		cfg.User = login
		g := await(t, cfg)
		for _, user := range []string{"", "root", "core", "other"} {
			if _, err := g.Run(t.Context(), guest.Command{Args: []string{"mark"}, User: user}); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{"sudo -n -- ", "sudo -n -- ", "", "sudo -n -- runuser -u other -- ",
		"", "", "runuser -u core -- ", "runuser -u other -- "}
	if got := strings.Join(lines, "|"); got != strings.Join(want, "|") {
		t.Errorf("commands began with\n%q\nwant\n%q", lines, want)
	}
}

// TestSudoThatGrumbles: what sudo says of the host's own name is no command's word.
func TestSudoThatGrumbles(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.On(func(e *guesttest.Exec) bool {
		if !strings.HasSuffix(e.Line, " mark") {
			return false
		}
		_, _ = io.WriteString(e.Stderr, "sudo: unable to resolve host assay: Name or service not known\nsudo: of its own\n")
		return true
	})
	r, err := guest.Ask(t.Context(), await(t, srv.Config()), "mark")
	if err != nil || r.Stderr != "sudo: of its own\n" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNoRoot(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.NoSudo = true })
	g := await(t, srv.Config())
	_, err := guest.Ask(t.Context(), g, "true")
	var nr *guest.NoRootError
	if !errors.As(err, &nr) || !strings.Contains(err.Error(), "a password is required") {
		t.Errorf("got %v", err)
	}
	if r, err := g.Run(t.Context(), guest.Command{Args: []string{"true"}, User: "core"}); err != nil || !r.OK() {
		t.Errorf("its own user: %+v, %v", r, err)
	}
	srv.Set(func(sw *guesttest.Switches) { sw.NoSudo = false })
	if r, err := guest.Ask(t.Context(), g, "true"); err != nil || !r.OK() {
		t.Errorf("with sudo later: %+v, %v", r, err)
	}
}

func TestFewSessions(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.MaxSessions = 2 })
	g := await(t, srv.Config())
	var all sync.WaitGroup
	for range 10 {
		all.Add(1)
		go func() {
			defer all.Done()
			if r, err := guest.Ask(t.Context(), g, "sleep", "0.02"); err != nil || !r.OK() {
				t.Errorf("%+v, %v", r, err)
			}
		}()
	}
	all.Wait()
	if n := srv.Logins(); n != 1 {
		t.Errorf("%d logins; a full server is no broken one", n)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	cfg := srv.Config()
	var mu sync.Mutex
	var got []guest.Record
	cfg.Record = func(r guest.Record) { mu.Lock(); got = append(got, r); mu.Unlock() }
	g := await(t, cfg)
	_, _ = g.Run(t.Context(), guest.Command{Args: []string{"sh", "-c", "head -c 9999 /dev/zero; echo end; echo no >&2; exit 3"}, User: "core"})
	_, _ = g.Run(t.Context(), guest.Command{Args: []string{"sleep", "9"}, Limit: 50 * time.Millisecond})
	if len(got) != 2 {
		t.Fatalf("%d records; want 2", len(got))
	}
	r := got[0]
	if r.Exit != 3 || r.User != "core" || len(r.Stdout) != guest.RecordExcerpt || !strings.HasSuffix(r.Stdout, "end\n") ||
		r.Stderr != "no\n" || r.Took <= 0 || r.Started.IsZero() || r.Guest != "inprocess" || r.Err != "" {
		t.Errorf("got %+v", r)
	}
	if got[1].Err == "" {
		t.Errorf("a time-out left no error: %+v", got[1])
	}
}

func TestCloseEndsCommands(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	begun := &signalWriter{at: "begun", c: make(chan struct{})}
	go func() { <-begun.c; _ = g.Close() }()
	_, err := g.Run(t.Context(), guest.Command{Args: []string{"sh", "-c", "echo begun; sleep 30"}, Stdout: begun, Limit: time.Minute})
	var te *guest.TransportError
	if !errors.As(err, &te) {
		t.Errorf("got %v", err)
	}
	if _, err := guest.Ask(t.Context(), g, "true"); !errors.As(err, &te) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	var te *guest.TransportError
	if _, err := g.Dial(t.Context(), 80); !errors.As(err, &te) {
		t.Errorf("closed port: %v", err)
	}
	c, err := g.Dial(t.Context(), 22)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "SSH-" {
		t.Errorf("read %q, %v", b, err)
	}
}
