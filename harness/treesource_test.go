package harness

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"assay/harness/capacity"
	"assay/reports"
	"assay/suites/check"
)

// TestTreesBeforeRoom: an update is derived in a guest of its own, so whoever
// wants one holds no guest while it is made: on a host with room for one guest
// the two would wait for each other for ever.
func TestTreesBeforeRoom(t *testing.T) {
	s := emptySession()
	s.opt.MemoryMiB, s.opt.CPUs = 64, 1
	var err error
	if s.ledger, err = capacity.Open(t.TempDir(), capacity.Limits{MemoryMiB: 64, CPUs: 1, DiskMiB: guestDiskMiB}); err != nil {
		t.Fatal(err)
	}
	defer s.ledger.Close()
	s.states, s.trees = newStates(s), newTreeSource(s)
	s.states.slot(check.Booted).snap = &snapshot{state: check.Booted}
	asked := 0
	s.trees.make = func(ctx context.Context) (*check.Trees, error) {
		asked++
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		free, err := s.ledger.Acquire(ctx, capacity.Need{MemoryMiB: 64, CPUs: 1, DiskMiB: guestDiskMiB}, nil)
		if err != nil {
			t.Errorf("the trees are asked for by a job that has room already: %v", err)
			return nil, err
		}
		return nil, errors.Join(errors.New("the disk is full"), free.Release())
	}
	c := check.Registered{Suite: check.Suite{Name: "upgrade"}, Check: check.Check{Name: "ostree", NeedsTrees: true}}
	j := job{Key: "upgrade", State: check.Booted, Checks: []check.Registered{c}}
	if left := s.tryJob(t.Context(), &j, j.Checks, 1, true); asked != 1 || len(left) != 0 {
		t.Fatalf("asked %d times, %d checks to be tried again", asked, len(left))
	}
	s.assemble(j.Checks)
	if got := caseOf(s, c.ID()); got.Outcome != reports.Errored || got.Fault != reports.FaultInfra {
		t.Errorf("%+v", got)
	}
}

// TestImagesWithoutOSTree: a host of bootc's composefs backend has no commit to
// derive anything of, and is upgraded to the images that are given.
func TestImagesWithoutOSTree(t *testing.T) {
	s := emptySession()
	s.trees = newTreeSource(s)
	s.imageDigest = "sha256:d"
	var none *noTreesError
	if _, err := s.trees.readOrDerive(t.Context()); !errors.As(err, &none) || !strings.Contains(err.Error(), "--update-image") {
		t.Errorf("no images: %v", err)
	}
	s.opt.UpdateImage = "layout"
	got, err := s.trees.readOrDerive(t.Context())
	if err != nil || got.Booted.Digest != "sha256:d" || got.Derived {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNoTreesIsTold: checks hear why there is nothing to upgrade to.
func TestNoTreesIsTold(t *testing.T) {
	s := emptySession()
	s.trees = newTreeSource(s)
	s.trees.make = func(context.Context) (*check.Trees, error) {
		return nil, &noTreesError{errors.New("the image is no ostree host")}
	}
	checks := []check.Registered{{Suite: check.Suite{Name: "upgrade"}, Check: check.Check{Name: "ostree", NeedsTrees: true}}}
	if err := s.trees.prepare(t.Context(), checks); err != nil {
		t.Fatal(err)
	}
	i := &instance{}
	s.trees.offer(i, checks)
	if i.env.Trees != nil || i.env.NoTrees != "the image is no ostree host" {
		t.Errorf("%+v", i.env)
	}
}
