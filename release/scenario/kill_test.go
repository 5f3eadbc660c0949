package scenario

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"assay/release"
	"assay/release/history"
	"assay/release/tracker/trackertest"
)

// kills is how often the stage is killed, and the day it ends with. All ten weeks
// take minutes.
func kills(t *testing.T) (n int, until string) {
	switch s := os.Getenv("ASSAY_SCENARIO_KILLS"); {
	case s != "":
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("ASSAY_SCENARIO_KILLS=%q: want a number", s)
		}
		return n, "10 Sun"
	case os.Getenv("ASSAY_SERVER_TESTS") != "":
		return 200, "10 Sun"
	}
	return 20, "4 Wed"
}

// TestKilledAtRandomPoints: whatever moment the stage is killed at, nothing that
// it acknowledged is lost, nothing happens twice, and no reader sees half a
// release. The days end as if nothing had been.
func TestKilledAtRandomPoints(t *testing.T) {
	n, until := kills(t)
	t.Parallel()
	p, grace := project(t)
	k := &killer{t: t, w: NewWorld(t, t.TempDir(), p), temp: t.TempDir(), grace: grace, until: Moments(until), left: n, seed: uint64(time.Now().UnixNano())}
	if s := os.Getenv("ASSAY_SCENARIO_SEED"); s != "" {
		var err error
		if k.seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ASSAY_SCENARIO_SEED=%d", k.seed)
	k.random = rand.New(rand.NewPCG(k.seed, 0))
	k.w.Fate = k.fate
	k.w.MailCame = k.mail
	reader := k.poll()
	began := time.Now()
	for k.round() {
	}
	polls := reader()
	if k.left > n/4 { // the last moments may go by before the last kills come
		t.Errorf("it ended %d kills too early", k.left)
	}
	k.nothingLost()
	if left, err := os.ReadDir(k.temp); err != nil || len(left) > 0 {
		t.Errorf("killed processes left %d temporary files that nobody removed: %v, %v", len(left), left, err)
	}
	if until == "10 Sun" && k.w.Counts != Total {
		t.Errorf("the world got %+v, want %+v", k.w.Counts, Total)
	}
	t.Logf("%d kills (%v) in %s; %d events acknowledged; %d times a reader looked, at %d releases; %d mails came a second time, known by their Message-ID; %+v",
		n-k.left, k.how, time.Since(began).Round(time.Second), len(k.acknowledged), polls.looks, len(polls.builds), k.w.post.again, k.w.Counts)
	if polls.looks < n {
		t.Errorf("the reader looked %d times alone", polls.looks)
	}
}

type killer struct {
	t      *testing.T
	w      *World
	grace  time.Duration
	temp   string
	until  int
	seed   uint64
	random *rand.Rand
	// left are the kills to come, from the next moment to live through.
	left, from int
	// evening is the last that was looked at.
	evening string
	// pace is how long a moment takes, appends how many it has.
	spent        time.Duration
	appends      int
	acknowledged []line
	how          map[string]int

	mu sync.Mutex
	// x is killed at the mail or request that counts down to 0.
	x               *child
	atMail, atTried int
}

// round runs a child from the moment that was not done, until it is killed or all
// is over. It reports whether there is more.
func (k *killer) round() bool {
	k.t.Helper()
	if k.how == nil {
		k.how = map[string]int{}
	}
	job := childJob{Dir: k.w.Dir, From: k.from, Until: k.until, Grace: k.grace, Temp: k.temp}
	// The kills that are left spread over what is left, so that all are used.
	share := float64(max(k.until*9/10-k.from, 1)) / float64(max(k.left, 1))
	perMoment, each := 30*time.Millisecond, 1.7
	if k.from > 0 {
		perMoment, each = k.spent/time.Duration(k.from), float64(k.appends)/float64(k.from)
	}
	var after time.Duration
	mail, tried, how := 0, 0, ""
	today := moments()[min(k.from, k.until-1)].day
	// What it waits for may not come: then it is killed where it is by then.
	latest := k.from + 3 + int(3*share)
	switch die := k.random.IntN(20); {
	case k.left == 0:
	case die < 14 && today.Bugs != "":
		// Some five to look, and then those that change something.
		how, tried = "at a request to the tracker", 1+k.random.IntN(8)
	case die < 7 && today.Mails != "":
		how, mail = "at a mail", 1
	case die < 12:
		how, after = "at a moment", time.Duration(k.random.ExpFloat64()*share*float64(perMoment))+time.Millisecond
	case die < 16:
		how, job.KillBefore = "before an append", 1+int(k.random.ExpFloat64()*share*each)
	default:
		how, job.KillAfter = "after an append", 1+int(k.random.ExpFloat64()*share*each)
	}
	x := startChild(k.t, job)
	k.mu.Lock()
	k.x, k.atMail, k.atTried = x, mail, tried
	k.mu.Unlock()
	var timer *time.Timer
	var began time.Time
	first := true
	x.lines(func(l line) {
		if first {
			// It has begun to work: what came before was start and folding.
			began, first = time.Now(), false
			if after > 0 {
				timer = time.AfterFunc(after, x.kill)
			}
		}
		switch {
		case l.Appended != nil:
			k.acknowledged = append(k.acknowledged, l)
			k.appends++
		case l.Done != nil:
			k.from = *l.Done + 1
			if how != "" && k.from >= latest {
				how = "at a moment"
				x.kill()
			}
		case l.Morning != "":
			k.w.Morning(dayOf(l.Morning))
			x.answer()
		case l.Evening != "":
			// It may be told of again, when the child was killed before it knew.
			if l.Evening == k.evening {
				x.answer()
				return
			}
			k.evening = l.Evening
			pause := time.Now()
			if _, err := k.w.Evening(k.t.Context(), dayOf(l.Evening), l.Account); err != nil {
				k.t.Errorf("week %s, with %d kills to come (seed %d): %v", l.Evening, k.left, k.seed, err)
			}
			began = began.Add(time.Since(pause))
			x.answer()
		}
	})
	killed := x.wait(k.t)
	if timer != nil {
		timer.Stop()
	}
	if !first {
		k.spent += time.Since(began)
	}
	if killed {
		k.left--
		k.how[how]++
		// Nobody is at work now, and no reader has to look again.
		if _, err := look(k.t.Context(), k.w.Reader); err != nil {
			k.t.Errorf("killed %s, moment %d (seed %d): a reader sees %v", how, k.from, k.seed, err)
		}
	}
	return killed && !k.t.Failed()
}

func dayOf(is string) Day {
	for _, d := range Weeks {
		if d.Is == is {
			return d
		}
	}
	panic("no day " + is)
}

// fate kills the child when it has sent a request to the tracker, which does what
// it says and tells nobody.
func (k *killer) fate() trackertest.Fault {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.atTried--; k.atTried == 0 {
		k.x.kill()
	}
	return trackertest.Fine
}

// mail kills the child when its mail is there and it has not been told so.
func (k *killer) mail() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.atMail--; k.atMail == 0 {
		k.x.kill()
	}
}

// polled is what a reader saw.
type polled struct {
	looks  int
	last   []release.BuildID
	builds map[release.BuildID]bool
}

// poll reads what is published without pause, until it is asked what it saw or
// the test ends.
func (k *killer) poll() (ask func() polled) {
	home := k.t.TempDir()
	keys := k.w.Reader
	r, err := keys.another(home)
	if err != nil {
		k.t.Fatal(err)
	}
	p, stop, over := polled{builds: map[release.BuildID]bool{}}, make(chan struct{}), make(chan struct{})
	ask = sync.OnceValue(func() polled {
		close(stop)
		<-over
		return p
	})
	k.t.Cleanup(func() { ask() })
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			default:
			}
			ctx := context.Background()
			before := r.version(ctx)
			builds, err := look(ctx, r)
			if err != nil && r.version(ctx) != before {
				continue // it was switched while we read: read again
			}
			if err != nil {
				k.t.Errorf("a reader sees (seed %d): %v", k.seed, err)
				return
			}
			p.looks++
			// Once there is a release there is always one.
			if len(builds) < len(p.last) {
				k.t.Errorf("a reader saw %v, and now %v", p.last, builds)
				return
			}
			p.last = builds
			for _, b := range builds {
				p.builds[b] = true
			}
		}
	}()
	return ask
}

// version is what the switches of a release change.
func (r *Reader) version(ctx context.Context) string {
	h := sha256.New()
	for _, name := range []string{"streams/atomic-43/release.json", "streams/atomic-stable/release.json", "repo/summary", "index.html", "streams/atomic-43/index.html", "streams/atomic-stable/index.html"} {
		b, err := r.get(ctx, name)
		fmt.Fprintf(h, "%s %v %x\n", name, err, sha256.Sum256(b))
	}
	return string(h.Sum(nil))
}

// look reads everything from the pointers on, and what the pages offer.
func look(ctx context.Context, r *Reader) (builds []release.BuildID, err error) {
	refs, err := r.Tree(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range []release.Stream{Main, Stable} {
		p, err := r.Release(ctx, s)
		if err != nil {
			return nil, err
		}
		if p.Build == "" {
			continue
		}
		builds = append(builds, p.Build)
		for _, c := range p.Commits {
			if refs[c.Ref] == "" {
				return nil, fmt.Errorf("%s of %s is out, and the repository has no ref %s", p.Build, s, c.Ref)
			}
		}
		if err := r.offered(ctx, s); err != nil {
			return nil, err
		}
	}
	return builds, nil
}

// offered fetches every image that the page offers.
func (r *Reader) offered(ctx context.Context, s release.Stream) error {
	page, err := r.get(ctx, "streams/"+string(s)+"/index.html")
	if err != nil {
		return err
	}
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return err
	}
	shown := sums(doc)
	for n := range doc.Descendants() {
		href := attr(n, "href")
		if n.Data != "a" || attr(n, "class") != "button" {
			continue
		}
		b, err := r.get(ctx, href[len("../../"):])
		if err != nil {
			return fmt.Errorf("the page of %s offers what is not there: %w", s, err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(b))
		found := false
		for _, x := range shown {
			found = found || x == sum
		}
		if !found {
			return fmt.Errorf("the page of %s offers %s, which has another checksum", s, href)
		}
	}
	return nil
}

// nothingLost holds the final history against what was acknowledged.
func (k *killer) nothingLost() {
	k.t.Helper()
	ctx := k.t.Context()
	h, err := history.Open(ctx, history.Options{Dir: filepath.Join(k.w.Dir, "history"), Log: k.t.Logf})
	if err != nil {
		k.t.Fatal(err)
	}
	defer h.Close()
	if r, err := history.Verify(ctx, h); err != nil || len(r.Findings) > 0 {
		k.t.Fatalf("the history is damaged: %v, %+v", err, r.Findings)
	}
	at := map[uint64]release.Head{}
	ids, done, slots := map[string]int{}, map[string]int{}, map[string]int{}
	for r, err := range h.Read(ctx, 0) {
		if err != nil || r.Err != nil {
			k.t.Fatal(errors.Join(err, r.Err))
		}
		e, err := release.Decode(r.Raw)
		if err != nil {
			k.t.Fatal(err)
		}
		at[r.Seq] = release.Head{Seq: r.Seq, Hash: release.HashOf(r.Raw)}
		ids[e.ID]++
		switch f := e.Fact.(type) {
		case *release.EffectDone:
			done[string(e.Stream)+" "+string(f.Key)]++
		case *release.ReleaseDecided:
			slots[fmt.Sprint(e.Stream, " ", f.Slot, f.Request)]++
		}
	}
	if k.t.Failed() {
		k.tellOf(h)
	}
	for _, l := range k.acknowledged {
		if at[l.Appended.Seq] != *l.Appended || ids[l.ID] == 0 {
			k.t.Errorf("event %d, %s, was acknowledged, and the history has another", l.Appended.Seq, l.ID)
		}
	}
	for what, m := range map[string]map[string]int{"event": ids, "effect": done, "release for": slots} {
		for name, n := range m {
			if n > 1 {
				k.t.Errorf("%d times: %s %s", n, what, name)
			}
		}
	}
	if len(k.acknowledged) < 100 || len(done) < 10 {
		k.t.Errorf("only %d events, %d effects", len(k.acknowledged), len(done))
	}
	if _, errs := k.w.post.got(0); len(errs) > 0 {
		k.t.Errorf("mails: %q", errs)
	}
}

// tellOf logs the end of the history.
func (k *killer) tellOf(h *history.History) {
	var last []string
	for r := range h.Read(k.t.Context(), 0) {
		raw := string(r.Raw)
		last = append(last, raw[:min(len(raw), 400)])
	}
	for _, s := range last[max(0, len(last)-40):] {
		k.t.Log(s)
	}
}
