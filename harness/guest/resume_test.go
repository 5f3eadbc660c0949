package guest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

// lines keeps what a server is told to run.
func lines(srv *guesttest.Server) func() []string {
	var mu sync.Mutex
	var all []string
	srv.On(func(e *guesttest.Exec) bool {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, e.Line)
		return false
	})
	return func() []string { mu.Lock(); defer mu.Unlock(); return all }
}

// clockIn is how far the clock is off that a command line sets.
func clockIn(t *testing.T, line string) time.Duration {
	t.Helper()
	_, words, ok := strings.Cut(line, "exec \"$@\"' sh ")
	sec, err := strconv.ParseInt(strings.Fields(words + " -")[0], 10, 64)
	if !ok || err != nil {
		t.Fatalf("%q sets no clock: %v", line, err)
	}
	return time.Since(time.Unix(sec, 0)).Abs()
}

// TestFirstCommandSetsTheClock: a restored guest is asked nothing that its saved
// state answers already, and its clock is set by the first command and by no
// later one.
func TestFirstCommandSetsTheClock(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	told := lines(srv)
	g, err := guest.Resume(t.Context(), srv.Config(), srv.BootID())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if g.BootID() != srv.BootID() || len(told()) != 0 {
		t.Errorf("boot id %q, commands %q", g.BootID(), told())
	}
	for _, args := range [][]string{{"true"}, {"id", "-u"}} {
		if _, err := guest.Output(t.Context(), g, args...); err != nil {
			t.Fatal(err)
		}
	}
	all := told()
	if len(all) != 2 || !strings.HasSuffix(all[0], " true") || strings.Contains(all[1], "date") {
		t.Fatalf("it took %q", all)
	}
	if off := clockIn(t, all[0]); off > 5*time.Second {
		t.Errorf("%q sets a clock that is %s off", all[0], off)
	}
}

// TestClockOfAUsersCommand: who may not set the clock finds it set.
func TestClockOfAUsersCommand(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	told := lines(srv)
	g, err := guest.Resume(t.Context(), srv.Config(), srv.BootID())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for range 2 {
		if _, err := g.Run(t.Context(), guest.Command{Args: []string{"true"}, User: srv.Config().User}); err != nil {
			t.Fatal(err)
		}
	}
	all := told()
	if len(all) != 3 || !strings.HasPrefix(all[0], "sudo -n -- sh") || strings.Contains(all[1]+all[2], "date") {
		t.Fatalf("it took %q", all)
	}
	clockIn(t, all[0])
}

// TestClockThatCannotBeSet is nobody's failure but the harness's, and the next
// command tries again.
func TestClockThatCannotBeSet(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	broken := true
	srv.On(func(e *guesttest.Exec) bool {
		if !broken {
			return false
		}
		fmt.Fprintln(e.Stderr, "date: cannot set date: Operation not permitted\nassay: the clock cannot be set")
		e.Exit = 125
		return true
	})
	g, err := guest.Resume(t.Context(), srv.Config(), srv.BootID())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var lost *guest.TransportError
	for _, user := range []string{"", srv.Config().User} {
		_, err := g.Run(t.Context(), guest.Command{Args: []string{"true"}, User: user})
		if !errors.As(err, &lost) || !strings.Contains(err.Error(), "Operation not permitted") {
			t.Errorf("%q: %v", user, err)
		}
	}
	broken = false
	if _, err := guest.Output(t.Context(), g, "true"); err != nil {
		t.Error(err)
	}
}

func TestResumeSaysWhatFailed(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { *sw = guesttest.Switches{OtherHostKey: true} })
	var hostKey *guest.HostKeyError
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := guest.Resume(ctx, srv.Config(), srv.BootID()); !errors.As(err, &hostKey) {
		t.Errorf("another host key: %v", err)
	}
}

// TestResumeWantsABootID: without one, a reboot could never be told.
func TestResumeWantsABootID(t *testing.T) {
	t.Parallel()
	if _, err := guest.Resume(t.Context(), guesttest.NewServer(t).Config(), ""); err == nil || !strings.Contains(err.Error(), "is no boot id") {
		t.Errorf("no boot id: %v", err)
	}
}
