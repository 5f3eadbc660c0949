package harness

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"assay/harness/accel"
	"assay/harness/console"
	"assay/harness/machine"
	"assay/suites/check"
)

// standIn is a machine of which a test says everything.
type standIn struct {
	gone chan struct{}
	err  error // of CPUTime
	// answers is what its SSH server does.
	answers bool
	// busy since then, if ever.
	busy time.Time
}

func (m *standIn) Gone() <-chan struct{} { return m.gone }
func (m *standIn) End() machine.End      { return machine.End{Kind: machine.EndFailed, Detail: "killed"} }
func (m *standIn) CPUTime(context.Context) (time.Duration, error) {
	if !m.busy.IsZero() {
		return time.Since(m.busy), m.err
	}
	return time.Second, m.err
}
func (m *standIn) HeldBack() machine.HeldBack   { return machine.HeldBack{} }
func (m *standIn) Answers(context.Context) bool { return m.answers }

// watchOne watches a machine for a minute, which after a second writes on its console.
func watchOne(t *testing.T, m *standIn, mark int64, written string) *guestDied {
	c := console.New(io.Discard, time.Now)
	time.AfterFunc(time.Second, func() { _, _ = io.WriteString(c, written) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return (&session{}).watch(ctx, m, c, mark, make(chan check.RebootPhase))
}

func TestWatchedGuestThatLivesIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if died := watchOne(t, &standIn{gone: make(chan struct{})}, 0, "all is well\n"); died != nil {
			t.Errorf("a guest that lives is called dead: %v", died)
		}
	})
}

// A guest that QEMU paused during a check or a reboot is not the image's failure.
func TestWatchedGuestThatPausesIsTheHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paused := fmt.Errorf("cannot read the processor time of guest fork-1: %w", machine.ErrPaused)
		died := watchOne(t, &standIn{gone: make(chan struct{}), err: paused}, 0, "")
		if died == nil {
			t.Fatal("nobody sees that the guest is paused")
		}
		if died.isImage(accel.TCG) {
			t.Error("the image is blamed for a guest that QEMU paused")
		}
		if !strings.Contains(died.Error(), "disk full or broken") {
			t.Errorf("nobody learns what to look at: %v", died)
		}
	})
}

// What stands before the mark is of an earlier time.
func TestWatchedGuestPanics(t *testing.T) {
	const panicked = "[   12.345678] Kernel panic - not syncing: Attempted to kill init!\n"
	for name, c := range map[string]struct {
		mark int64
		dies bool
	}{"during the check": {0, true}, "before it": {int64(len(panicked)), false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				died := watchOne(t, &standIn{gone: make(chan struct{})}, c.mark, panicked)
				if (died != nil) != c.dies || died != nil && !died.isImage(accel.TCG) {
					t.Errorf("died: %v", died)
				}
			})
		})
	}
}

func TestWatchedGuestIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &standIn{gone: make(chan struct{})}
		time.AfterFunc(7*time.Second, func() { close(m.gone) })
		if died := watchOne(t, m, 0, ""); died == nil || died.end == nil || died.isImage(accel.TCG) {
			t.Errorf("died: %v", died)
		}
	})
}

// A guest that is idle and silent after a reboot is stuck, unless it answers.
func TestWatchedGuestDoesNotComeBack(t *testing.T) {
	for answers, dies := range map[bool]bool{false: true, true: false} {
		synctest.Test(t, func(t *testing.T) {
			c := console.New(io.Discard, time.Now)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			reboots := make(chan check.RebootPhase, 1)
			reboots <- check.RebootBegins
			died := (&session{accel: accel.TCG}).watch(ctx, &standIn{gone: make(chan struct{}), answers: answers}, c, 0, reboots)
			if (died != nil) != dies || died != nil && (died.stuck == "" || !died.isImage(accel.TCG)) {
				t.Errorf("answers %v: died: %v", answers, died)
			}
		})
	}
}

// A guest that its kernel reset, and that stays busy without a word, hangs in
// its firmware: the emulator's doing.
func TestWatchedGuestHangsInItsFirmware(t *testing.T) {
	const reset = "[  206.523946] reboot: Restarting system\n[  206.526379] reboot: machine restart\n  "
	for name, c := range map[string]struct {
		written, later string
		answers, dies  bool
	}{
		"hangs":                  {reset, "", false, true},
		"silent, and there":      {reset, "", true, false},
		"still goes down":        {"[  206.428654] systemd-shutdown[1]: Syncing filesystems and block devices.\n", "", false, false},
		"comes back":             {reset, "[    0.000000] Linux version 6.12\n", false, false},
		"its loader says a word": {reset, "Booting Linux\n", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := console.New(io.Discard, time.Now)
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
				defer cancel()
				reboots := make(chan check.RebootPhase, 1)
				reboots <- check.RebootBegins
				time.AfterFunc(time.Second, func() { _, _ = io.WriteString(w, c.written) })
				for n := range 8 {
					time.AfterFunc(time.Duration(n+1)*2*time.Minute, func() { _, _ = io.WriteString(w, c.later) })
				}
				died := (&session{accel: accel.TCG, scale: 10}).watch(ctx, &standIn{gone: make(chan struct{}), busy: time.Now(), answers: c.answers}, w, 0, reboots)
				if (died != nil) != c.dies || died != nil && (died.isImage(accel.TCG) || !strings.Contains(died.Error(), "firmware")) {
					t.Errorf("died: %v", died)
				}
			})
		})
	}
}

// What an emulator's slip makes of a kernel is held against the image only where
// nothing was emulated.
func TestEmulatorFaultIsTheHosts(t *testing.T) {
	const slip = "[  140.975618] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[  141.000000] x\n"
	for kind, image := range map[accel.Kind]bool{accel.TCG: false, accel.KVM: true} {
		i := &instance{console: console.New(io.Discard, time.Now)}
		if _, err := io.WriteString(i.console, slip); err != nil {
			t.Fatal(err)
		}
		s := &session{accel: kind}
		if tripped := s.tripped(i, 0); (tripped == "") != image {
			t.Errorf("%s: what fails after it is put down to %q", kind, tripped)
		}
		if s.tripped(i, int64(len(slip))) != "" {
			t.Errorf("%s: what the console showed before the mark counts", kind)
		}
		died := &guestDied{finding: &console.Finding{Kind: console.EmulatorFault}}
		if died.isImage(kind) != image {
			t.Errorf("%s: the image is blamed: %v", kind, !image)
		}
	}
}
