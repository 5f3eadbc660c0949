package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/artifact"
	"assay/harness/capacity"
	"assay/reports"
)

// TestRoom: a wait for room has a span of its own, and a guest that need not
// wait has none.
func TestRoom(t *testing.T) {
	var mu sync.Mutex
	told := make(chan string, 8)
	s := emptySession()
	s.opt.MemoryMiB, s.opt.CPUs, s.opt.Progress = 64, 1, func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if !p.Done {
			told <- p.Stage + ": " + p.Text
		}
	}
	var err error
	if s.ledger, err = capacity.Open(t.TempDir(), capacity.Limits{MemoryMiB: 100, CPUs: 1, DiskMiB: 2 * guestDiskMiB}); err != nil {
		t.Fatal(err)
	}
	defer s.ledger.Close()
	first, err := s.room(t.Context(), "boot-1")
	if err != nil || len(s.run.Timeline) != 0 {
		t.Fatalf("%v, %+v", err, s.run.Timeline)
	}
	done := make(chan error, 1)
	go func() {
		second, err := s.room(t.Context(), "fork-1")
		if err == nil {
			err = second.Release()
		}
		done <- err
	}()
	select {
	case got := <-told:
		if want := "wait: waiting for room for fork-1: 1 of 1 virtual CPUs are taken and it wants 1, "; !strings.HasPrefix(got, want) {
			t.Errorf("told of %q", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("the wait is not told")
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(s.run.Timeline) != 1 || s.run.Timeline[0].Kind != "wait" || s.run.Timeline[0].Guest != "fork-1" || !s.run.Timeline[0].OK {
		t.Errorf("%+v", s.run.Timeline)
	}
	if first, err = s.room(t.Context(), "boot-2"); err != nil {
		t.Fatal(err)
	}
	defer first.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.room(ctx, "fork-2"); !errors.Is(err, context.Canceled) {
		t.Errorf("room after the end: %v", err)
	}
}

// TestResultsFolderThatCannotBe is a wrong command line, and not the host's fault.
func TestResultsFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), Options{Results: filepath.Join(file, "results"), Log: discardLog()}, &reports.Run{})
	var wrong *SelectionError
	if s != nil || !errors.As(err, &wrong) || !strings.Contains(err.Error(), "--results") {
		t.Errorf("%v", err)
	}
}

// TestArchOf: an image whose loader is gone is still booted, to see that.
func TestArchOf(t *testing.T) {
	if got := archOf(artifact.Image{}); got == "" || got != hostArch() {
		t.Errorf("unknown: %q", got)
	}
	if got := archOf(artifact.Image{Arch: "s390x"}); got != "s390x" {
		t.Errorf("known: %q", got)
	}
}
