package publish

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/release"
)

// job is what a child has to do to publish effects with b's target and spool.
func (b *bench) job(effects []release.Effect) childJob {
	return childJob{Target: b.config, Spool: b.spool, Signer: b.key, SignSpool: b.signSpool, Effects: effects, Socket: b.socket}
}

// lines counts the lines at which a child that publishes effects can be killed.
func (b *bench) lines(t *testing.T, effects []release.Effect) int {
	t.Helper()
	out, err := start(t, b.job(effects)).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// poll reads the target without pause until stop is closed, and returns what
// was wrong.
func (b *bench) poll(stop <-chan struct{}) <-chan error {
	out := make(chan error, 1)
	go func() {
		for {
			if _, err := b.see(); err != nil {
				out <- err
				return
			}
			select {
			case <-stop:
				out <- nil
				return
			default:
			}
		}
	}()
	return out
}

// finish publishes what a killed child left, and checks it.
func (b *bench) finish(t *testing.T, what string, effects []release.Effect) {
	t.Helper()
	before, err := b.see()
	if err != nil {
		t.Fatalf("%s: readers see %v", what, err)
	}
	want := effects[0].Publish.Release.Build
	if before.Build != "" && before.Build != "20261101_01" && before.Build != want {
		t.Fatalf("%s: readers are given %s", what, before.Build)
	}
	if wasKilled(t, b.job(effects)) {
		t.Fatalf("%s: killed again", what)
	}
	if p := b.look(t); p.Build != want {
		t.Fatalf("%s, and run again: readers are given %s", what, p.Build)
	}
}

// killed publishes a release, and then further ones, each by a child that is
// killed at another line (stride is how many lines lie between), and at random moments. A reader
// looks all the while.
func killed(t *testing.T, target testTarget, stride, random int) {
	b := newBench(t, target)
	b.publish(t, b.effects(t, "20261101_01", 1))
	// All of these exist before the reader begins to look.
	const builds = 3
	var all [][]release.Effect
	for i := range builds {
		all = append(all, b.effects(t, release.NewBuildID(time.Date(2026, 11, 2+i, 0, 0, 0, 0, time.UTC), 1), uint64(10+i)))
	}
	n := b.lines(t, all[0])
	if n < 20 {
		t.Fatalf("only %d lines to be killed at", n)
	}
	stop := make(chan struct{})
	reader := b.poll(stop)
	// The second is killed again and again until it is out.
	kills := 0
	for line := 1; wasKilled(t, childJobAt(b.job(all[1]), line)); line += stride {
		kills++
		if p, err := b.see(); err != nil || p.Build != all[0][0].Publish.Release.Build && p.Build != all[1][0].Publish.Release.Build {
			t.Fatalf("killed at line %d: %v, readers are given %s", line, err, p.Build)
		}
		if line > 10*n {
			t.Fatal("it never ends")
		}
	}
	b.look(t)
	b.follow(t)
	// The third at random moments, in the middle of ostree and gpgv, too.
	began := time.Now()
	if wasKilled(t, b.job(all[1])) {
		t.Fatal("killed by nobody")
	}
	whole := time.Since(began)
	for range random {
		cmd := start(t, b.job(all[2]))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(whole))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		kills++
		if p, err := b.see(); err != nil || p.Build != all[1][0].Publish.Release.Build && p.Build != all[2][0].Publish.Release.Build {
			t.Fatalf("killed at a random moment: %v, readers are given %s", err, p.Build)
		}
	}
	if wasKilled(t, b.job(all[2])) {
		t.Fatal("killed by nobody")
	}
	close(stop)
	if err := <-reader; err != nil {
		t.Errorf("a reader saw: %v", err)
	}
	if p := b.look(t); p.Build != all[2][0].Publish.Release.Build {
		t.Errorf("readers are given %s", p.Build)
	}
	b.follow(t)
	t.Logf("%d kills, %d lines", kills, n)
}

func childJobAt(c childJob, line int) childJob {
	c.KillAt = line
	return c
}

func TestKilledPublisherIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	stride, random := 30, 1 // a few seconds; all of them take minutes
	if serverTests() {
		stride, random = 1, 40
	}
	killed(t, inDirectory(t), stride, random)
}

// TestKilledAtEachLine begins anew for each line, so that no kill has another
// one's work before it.
func TestKilledAtEachLine(t *testing.T) {
	if !serverTests() {
		t.Skip("takes minutes; ASSAY_SERVER_TESTS=1 runs it")
	}
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261101_01", 1))
	effects := b.effects(t, "20261102_01", 2)
	saved := t.TempDir()
	for _, dir := range []string{b.root, b.spool} {
		if out, err := exec.Command("cp", "-a", dir, saved).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	n := b.lines(t, effects)
	for line := 1; line <= n; line++ {
		for _, dir := range []string{b.root, b.spool} {
			if out, err := exec.Command("rsync", "-a", "--delete", saved+"/"+dir[strings.LastIndexByte(dir, '/')+1:]+"/", dir+"/").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		if !wasKilled(t, childJobAt(b.job(effects), line)) {
			t.Errorf("line %d of %d was not reached", line, n)
		}
		b.finish(t, fmt.Sprintf("killed at line %d of %d", line, n), effects)
	}
	b.follow(t)
}

func serverTests() bool { return os.Getenv("ASSAY_SERVER_TESTS") != "" }
