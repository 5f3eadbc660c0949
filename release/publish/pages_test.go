package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/release"
)

// refresh is the effect that brings pages up to date.
func (b *bench) refresh(news string) release.Effect {
	return release.Effect{Key: release.EffectKey("publish/target/pages/" + news), Kind: release.EffectPublish, Stream: "test-43", Target: "target",
		Attempt: 1, Publish: &release.PublishWork{Step: release.StepPages, Pages: news}}
}

// refreshed checks what a refresh of the pages changes and what it does not.
func refreshed(t *testing.T, b *bench) {
	t.Helper()
	before := b.look(t)
	raw := read(t, b.root, "streams/test-43/release.json")
	for i := range 4 {
		news := fmt.Sprintf("stale %d", i)
		for range 2 { // the second finds its work done
			if _, err := b.publisher.Do(t.Context(), b.refresh(news)); err != nil {
				t.Fatal(err)
			}
			if got := read(t, b.root, "streams/test-43/news.html"); string(got) != news {
				t.Errorf("the page says %q, want %q", got, news)
			}
		}
	}
	if p := b.look(t); p.Build != before.Build || !bytes.Equal(raw, read(t, b.root, "streams/test-43/release.json")) {
		t.Errorf("the pointer changed: %+v", p)
	}
	if _, err := os.Stat(filepath.Join(b.root, "streams/test-43/first.html")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a page that is no more is there: %v", err)
	}
	sets, err := os.ReadDir(filepath.Join(b.root, setsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	n := 0
	for _, s := range sets {
		if strings.HasPrefix(s.Name(), "streams-") {
			n++
		}
	}
	if n > keptSets {
		t.Errorf("%d generations of the pages are kept: %v", n, sets)
	}
}

func read(t *testing.T, root, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPagesAreRefreshedWhileAReleaseIsOnItsWay: readers have the old release
// with news, and the new one goes on from where it was.
func TestPagesAreRefreshedWhileAReleaseIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	if _, err := b.publisher.Do(t.Context(), b.refresh("early")); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("before any pointer: %v", err)
	}
	b.publish(t, b.effects(t, "20261101_01", 1))
	next := b.effects(t, "20261102_01", 2)
	b.publish(t, next[:3])
	if _, err := b.publisher.Do(t.Context(), b.refresh("on its way")); err != nil {
		t.Fatal(err)
	}
	if p := b.look(t); p.Build != "20261101_01" {
		t.Errorf("readers are given %s", p.Build)
	}
	// What was brought into the spool is there still: the builds are gone.
	if err := os.RemoveAll(b.builds); err != nil {
		t.Fatal(err)
	}
	b.publish(t, next[3:])
	if p := b.look(t); p.Build != "20261102_01" {
		t.Errorf("readers are given %s", p.Build)
	}
}

// TestKilledRefreshIsFinishedByTheNext: readers have the old pages or the new.
func TestKilledRefreshIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261101_01", 1))
	all := []release.Effect{b.refresh("first"), b.refresh("second")}
	n := b.lines(t, all[:1])
	if n < 4 {
		t.Fatalf("only %d lines to be killed at", n)
	}
	stop := make(chan struct{})
	reader := b.poll(stop)
	for line := 1; wasKilled(t, childJobAt(b.job(all[1:]), line)); line++ {
		if got := string(read(t, b.root, "streams/test-43/news.html")); got != "first" && got != "second" {
			t.Errorf("killed at line %d: the page says %q", line, got)
		}
		if line > 10*n {
			t.Fatal("it never ends")
		}
	}
	close(stop)
	if err := <-reader; err != nil {
		t.Errorf("a reader saw: %v", err)
	}
	if got := string(read(t, b.root, "streams/test-43/news.html")); got != "second" {
		t.Errorf("the page says %q", got)
	}
}

// TestPointerReportsTheCommitsOfReaders: pages name what readers really get.
func TestPointerReportsTheCommitsOfReaders(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261205_01", 10))
	older := b.effects(t, "20261121_01", 20)
	b.publish(t, older[:4])
	r, err := b.publisher.Do(t.Context(), older[4])
	if err != nil {
		t.Fatal(err)
	}
	c := b.look(t).Commits[0]
	if len(r.Commits) != 1 || r.Commits[0].Checksum != c.Commit || r.Commits[0].Checksum == c.Tested || r.Commits[0].Ref != c.Ref || string(r.Commits[0].Arch) != c.Arch {
		t.Errorf("reported %+v, readers get %+v", r.Commits, c)
	}
	done := older[4].Done(r)
	if err := done.Validate(); err != nil {
		t.Error(err)
	}
}

// TestKilledRetirementIsFinishedByTheNext: readers have what is kept all the
// while.
func TestKilledRetirementIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	for i, id := range []release.BuildID{"20261101_01", "20261102_01", "20261103_01"} {
		b.publish(t, b.effects(t, id, uint64(1+i)))
	}
	gone := b.made["20261102_01"].Commits[0].Checksum
	retire := []release.Effect{{Key: "publish/target/retire/9", Kind: release.EffectPublish, Stream: "test-43", Target: "target", Attempt: 1,
		Publish: &release.PublishWork{Step: release.StepRetire, Retire: []release.BuildID{"20261102_01"}, Keep: []string{b.made["20261101_01"].Commits[0].Checksum}}}}
	stop := make(chan struct{})
	reader := b.poll(stop)
	kills := 0
	for line := 1; wasKilled(t, childJobAt(b.job(retire), line)); line++ {
		if kills++; kills > 100 {
			t.Fatal("it never ends")
		}
		if p := b.look(t); p.Build != "20261103_01" {
			t.Errorf("killed at line %d: readers are given %s", line, p.Build)
		}
	}
	close(stop)
	if err := <-reader; err != nil {
		t.Errorf("a reader saw: %v", err)
	}
	if kills < 4 {
		t.Errorf("only %d kills", kills)
	}
	if _, err := os.Stat(filepath.Join(b.root, objectPath(gone, "commit"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("commit %s is there still: %v", gone, err)
	}
	b.follow(t)
}
