package guest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

// TestResumeTakesOneCommand: a restored guest is asked nothing that its saved
// state answers already, and its clock is right afterwards.
func TestResumeTakesOneCommand(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	var lines []string
	srv.On(func(e *guesttest.Exec) bool {
		lines = append(lines, e.Line)
		return false
	})
	g, err := guest.Resume(t.Context(), srv.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if g.BootID() != srv.BootID() {
		t.Errorf("boot id %q", g.BootID())
	}
	if len(lines) != 1 {
		t.Fatalf("it took %q", lines)
	}
	_, at, _ := strings.Cut(lines[0], "date -s @")
	sec, err := strconv.ParseInt(strings.Fields(at)[0], 10, 64)
	if err != nil || time.Since(time.Unix(sec, 0)).Abs() > 5*time.Second {
		t.Errorf("%q sets the clock to %d, %v", lines[0], sec, err)
	}
}

func TestResumeSaysWhatFailed(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.NoSudo = true })
	if _, err := guest.Resume(t.Context(), srv.Config()); err == nil || !strings.Contains(err.Error(), "cannot set the clock: sudo") {
		t.Errorf("without sudo: %v", err)
	}
	srv.Set(func(sw *guesttest.Switches) { *sw = guesttest.Switches{OtherHostKey: true} })
	var hostKey *guest.HostKeyError
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := guest.Resume(ctx, srv.Config()); !errors.As(err, &hostKey) {
		t.Errorf("another host key: %v", err)
	}
}

// TestResumeWantsABootID: without one, a reboot could never be told.
func TestResumeWantsABootID(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	says := ""
	srv.On(func(e *guesttest.Exec) bool {
		fmt.Fprint(e.Stdout, says)
		return true
	})
	if _, err := guest.Resume(t.Context(), srv.Config()); err == nil || !strings.Contains(err.Error(), "is no boot id") {
		t.Errorf("no boot id: %v", err)
	}
	says = "Welcome to the host.\n" + srv.BootID() + "\n"
	g, err := guest.Resume(t.Context(), srv.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if g.BootID() != srv.BootID() {
		t.Errorf("a shell that says something first: boot id %q", g.BootID())
	}
}
