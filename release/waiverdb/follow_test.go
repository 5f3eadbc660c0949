package waiverdb

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/release"
	"assay/release/greenwave"
	"assay/release/releasetest"
)

const qcow2 = string(releasetest.QCOW2)

// following is a history whose builds somebody waives elsewhere.
type following struct {
	*releasetest.History
	f    *Follower
	told []string
}

func (h *following) With(_ context.Context, do func(*release.State) error) error { return do(h.State) }

func (h *following) Bring(ctx context.Context, p *release.Policy, by release.Actor, decide func(*release.State) ([]release.Fact, error)) error {
	return h.State.Update(ctx, h.Log, func(s *release.State) (out []release.Event, err error) {
		facts, err := decide(s)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			e, err := release.NewEvent(p.Stream, h.Now, by, f)
			if err == nil {
				err = release.Allow(p, s, e, h.Now)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	})
}

func follow(t *testing.T, url string) *following {
	h := &following{History: releasetest.NewHistory(t, "test-1")}
	h.Policy.Overrides = append(h.Policy.Overrides, release.Permission{Groups: []string{"qa"}, May: []release.Override{release.MayWaive}, Checks: []release.Glob{"storage/*"}})
	h.Now = time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)
	if !strings.HasSuffix(url, "/api/v1.0") { // a test server answers everything alike
		url += "/api/v1.0"
	}
	var err error
	h.f, err = NewFollower(Config{URL: url, Proxies: []string{"assay-bot"}}, FollowOptions{Policies: []*release.Policy{h.Policy}, Stage: h, Now: func() time.Time { return h.Now },
		Groups: func(name string) []string { return map[string][]string{"carol": {"qa"}}[name] },
		Tell:   func(format string, args ...any) { h.told = append(h.told, fmt.Sprintf(format, args...)) }})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *following) poll() {
	h.TB.Helper()
	if err := h.f.Poll(context.Background()); err != nil {
		h.TB.Fatalf("%v", err)
	}
}

// waived are the waivers of a build in force, as CHECK@ARTIFACT by WHO.
func (h *following) waived(b release.BuildID) (out []string) {
	for _, w := range h.State.Line("test-1").Build(b).Waivers {
		if w.Counts(h.Now) {
			out = append(out, fmt.Sprintf("%s@%s by %s", w.Check, strings.ReplaceAll(string(w.Artifact), " ", "/"), w.By.Name))
		}
	}
	return out
}

// wall is a server with what it answers.
type wall struct {
	mu    sync.Mutex
	list  []greenwave.Waiver
	asked []Filter
	raw   string
	filed time.Time
	about About
	all   bool // whatever was asked for
}

func (w *wall) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(rw).Encode(w.about)
		return
	}
	var q struct{ Filters []Filter }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	w.asked = append(w.asked, q.Filters...)
	if w.raw != "" {
		_, _ = rw.Write([]byte(w.raw))
		return
	}
	data := []greenwave.Waiver{}
	for _, x := range w.list {
		if slices.ContainsFunc(q.Filters, func(f Filter) bool {
			return w.all || f.Identifier == x.Identifier && f.ProductVersion == x.ProductVersion
		}) {
			data = append(data, x)
		}
	}
	_ = json.NewEncoder(rw).Encode(map[string]any{"data": data})
}

func (w *wall) add(id int64, who, check string, change func(*greenwave.Waiver)) {
	scenario := qcow2
	x := greenwave.Waiver{ID: id, SubjectType: "compose", Identifier: "Test-20261103_01", TestCase: check, Scenario: &scenario, ProductVersion: "test-1", Waived: true,
		Comment: "the test is wrong", Username: who, Timestamp: cmp.Or(w.filed, time.Date(2026, 11, 2, 2, 59, 0, 123456000, time.UTC)).Format("2006-01-02T15:04:05.000000")}
	if change != nil {
		change(&x)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, x)
}

// TestFollowerRecordsWhatPeopleWaive in their name, as far as the policy lets
// them, and once.
func TestFollowerRecordsWhatPeopleWaive(t *testing.T) {
	w := &wall{all: true}
	srv := httptest.NewServer(w)
	defer srv.Close()
	h := follow(t, srv.URL)
	h.Tested("20261101_01").At("2026-11-03T12:00:00Z").Next() // is out
	h.Build("20261103_01").Next().Add(time.Minute)
	w.filed = h.Now
	w.add(1, "alice", "base/running", nil)
	// While a test runs nobody waives; which is told of once.
	for range 3 {
		h.poll()
	}
	if got := h.waived("20261103_01"); len(got) > 0 || len(h.told) != 1 || !strings.Contains(h.told[0], "has not finished") {
		t.Fatalf("%q, told %q", got, h.told)
	}
	h.Add(time.Minute)
	h.Answer("20261103_01", releasetest.QCOW2, releasetest.Failed("base/running"), releasetest.Failed("storage/resize"))
	h.Answer("20261103_01", releasetest.Vagrant)
	// Nor does it count when the test has ended: whoever filed it had seen nothing.
	h.told = nil
	for range 3 {
		h.poll()
	}
	if got := h.waived("20261103_01"); len(got) > 0 || len(h.told) != 1 || !strings.Contains(h.told[0], "before the test of qcow2 x86_64 was answered") {
		t.Fatalf("%q, told %q", got, h.told)
	}
	h.Add(time.Minute)
	w.filed = h.Now.Add(-time.Second)
	w.add(12, "alice", "base/running", nil)
	h.poll()
	proxy, mallory := "assay-bot", "mallory"
	w.add(2, "carol", "storage/resize", nil)                                                 // her group may
	w.add(3, "carol", "base/running", func(x *greenwave.Waiver) { x.Scenario = nil })        // which it may not
	w.add(4, "dave", "storage/resize", func(x *greenwave.Waiver) { x.Scenario = nil })       // who may nothing
	w.add(5, "alice", "upgrade/plain", func(x *greenwave.Waiver) { x.ProxiedBy = &mallory }) // whom nobody asked to speak
	w.add(6, "alice", "upgrade/plain", func(x *greenwave.Waiver) { x.Scenario = nil; x.ProxiedBy = &proxy })
	w.add(7, "alice", "fedora-ci.tier0", nil)                                                    // another's test
	w.add(8, "alice", "base/running", func(x *greenwave.Waiver) { x.ProductVersion = "test-2" }) // nobody asked
	w.add(9, "alice", "base/running", func(x *greenwave.Waiver) { x.Identifier = "Test-20261101_01" })
	w.add(10, "alice\n", "storage/resize", func(x *greenwave.Waiver) { s := "vagrant-libvirt/x86_64"; x.Scenario = &s })
	w.add(11, "alice", "base/running", func(x *greenwave.Waiver) { s := "iso/s390x"; x.Scenario = &s })
	h.told = nil
	for range 3 {
		h.poll()
	}
	want := []string{"base/running@qcow2/x86_64 by alice", "storage/resize@qcow2/x86_64 by carol", "upgrade/plain@ by alice"}
	if got := h.waived("20261103_01"); !slices.Equal(got, want) {
		t.Errorf("waived %q, want %q", got, want)
	}
	if got := h.waived("20261101_01"); len(got) > 0 {
		t.Errorf("of what is out: %q", got)
	}
	all := strings.Join(h.told, "\n")
	for _, want := range []string{"does not let carol waive base/running", "does not let dave waive", "mallory filed it for alice", "has no artifact iso"} {
		if strings.Count(all, want) != 1 {
			t.Errorf("%q is told %d times: %s", want, strings.Count(all, want), all)
		}
	}
	for _, wrong := range []string{"tier0", "test-2"} {
		if strings.Contains(all, wrong) {
			t.Errorf("%q is told of: %s", wrong, all)
		}
	}
	for _, f := range w.asked {
		if f.SubjectType != "compose" || f.ProductVersion != "test-1" || f.Identifier != "Test-20261103_01" {
			t.Errorf("asked for %+v", f)
		}
	}
	x := h.State.Line("test-1").Build("20261103_01").Waivers[0]
	if x.Reason != "the test is wrong" || x.Tracker != srv.URL+"/api/v1.0/waivers/12" || !x.Expires.Equal(w.filed.Add(DefaultLife)) {
		t.Errorf("%+v", x)
	}

	// Taken back there it is taken back here; carol may take back what she may waive.
	back := func(x *greenwave.Waiver) { x.Waived, x.Comment = false, "it was the image" }
	w.add(20, "carol", "storage/resize", back)
	w.add(21, "dave", "base/running", back)
	h.told = nil
	h.poll()
	h.poll()
	if got := h.waived("20261103_01"); !slices.Equal(got, []string{want[0], want[2]}) {
		t.Errorf("after carol took hers back: %q", got)
	}
	if all := strings.Join(h.told, "\n"); strings.Count(all, "does not let dave waive") != 1 {
		t.Errorf("told %s", all)
	}
	// What is withdrawn here stays withdrawn; filed again there it is another.
	h.MustSay(&release.WaiverWithdrawn{Waiver: x.Waiver, Word: releasetest.Word("no")})
	h.poll()
	if got := h.waived("20261103_01"); !slices.Equal(got, want[2:]) {
		t.Errorf("after it was withdrawn: %q", got)
	}
	w.add(22, "alice", "base/running", nil)
	h.poll()
	if got := h.waived("20261103_01"); len(got) != 2 {
		t.Errorf("filed again: %q", got)
	}
	// A month later it has run out, and nothing of it is recorded or told again.
	h.Add(60 * 24 * time.Hour)
	h.told = nil
	events := h.State.Head().Seq
	h.poll()
	if got := h.waived("20261103_01"); len(got) > 0 || h.State.Head().Seq != events {
		t.Errorf("a month later: %q, %q", got, h.told)
	}
}

// TestFollowerBelievesNoAnswer that is too much, none, or another's.
func TestFollowerBelievesNoAnswer(t *testing.T) {
	w := &wall{}
	srv := httptest.NewServer(w)
	h := follow(t, srv.URL)
	h.Tested("20261103_01", releasetest.Failed("base/running")).Add(time.Minute)
	w.filed = h.Now
	for i := range maxWaivers + 1 {
		w.add(int64(i+1), "alice", "base/running", func(x *greenwave.Waiver) { s := fmt.Sprint(i); x.Scenario = &s })
	}
	if err := h.f.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Errorf("too many: %v", err)
	}
	for _, raw := range []string{"<html>", `{"data": [{"id": 1}]}`, `{"data": "x"}`} {
		w.raw = raw
		if err := h.f.Poll(t.Context()); err == nil {
			t.Errorf("%s: no error", raw)
		}
	}
	w.raw, w.list = "", nil
	w.add(1, "alice", "base/running", func(x *greenwave.Waiver) { x.Timestamp = "soon" })
	w.add(3, "alice", "upgrade/plain", func(x *greenwave.Waiver) { x.Timestamp = "2999-01-01T00:00:00" })
	w.filed = h.Now.Add(maxAhead)
	w.add(2, "alice", "base/running", func(x *greenwave.Waiver) {
		x.Scenario, x.Comment = nil, "\x1b[2J"+strings.Repeat("<b>é", 5000)
	})
	h.poll()
	if got := h.waived("20261103_01"); !slices.Equal(got, []string{"base/running@ by alice"}) || !strings.Contains(strings.Join(h.told, "\n"), `"soon" is no time`) || !strings.Contains(strings.Join(h.told, "\n"), "correct the clock") {
		t.Errorf("%q, told %q", got, h.told)
	}
	if x := h.State.Line("test-1").Build("20261103_01").Waivers[0]; x.Expires.After(h.Now.Add(DefaultLife)) || len(x.Reason) > 1100 || strings.Contains(x.Reason, "\x1b") {
		t.Errorf("%+v", x)
	}
	srv.Close()
	if err := h.f.Poll(t.Context()); err == nil {
		t.Error("a server that is down answers")
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("http://localhost:1/", http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	h.f.client.URL = elsewhere.URL
	if err := h.f.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "sends us elsewhere") {
		t.Errorf("a redirection: %v", err)
	}
}

// TestFollowerGoesOnWhenTheServerIsAway and tells of it once.
func TestFollowerGoesOnWhenTheServerIsAway(t *testing.T) {
	w := &wall{raw: "down"}
	srv := httptest.NewServer(w)
	defer srv.Close()
	h := follow(t, srv.URL)
	h.Tested("20261103_01", releasetest.Failed("base/running"))
	h.f.config.Poll = time.Millisecond
	told := make(chan string, 100)
	h.f.o.Tell = func(format string, args ...any) { told <- fmt.Sprintf(format, args...) }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	over := make(chan struct{})
	go func() { h.f.Run(ctx); close(over) }()
	next := func() string {
		select {
		case s := <-told:
			return s
		case <-ctx.Done():
			t.Fatal("nothing is told")
		}
		return ""
	}
	if s := next(); !strings.Contains(s, "cannot follow waivers") {
		t.Error(s)
	}
	w.mu.Lock()
	asked := len(w.asked)
	w.mu.Unlock()
	for { // it asks on
		w.mu.Lock()
		n := len(w.asked)
		w.mu.Unlock()
		if n > asked+3 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("it gave up")
		}
	}
	w.mu.Lock()
	w.raw = ""
	w.mu.Unlock()
	if s := next(); !strings.Contains(s, "again") {
		t.Errorf("told a second time: %s", s)
	}
	cancel()
	<-over
}

func TestFollowerConfigurations(t *testing.T) {
	for want, c := range map[string]Config{
		"want https://": {URL: "waiverdb.example"}, "whoever is in between": {URL: "http://waiverdb.example/api"}, "want https": {URL: "https://u:hunter2@w.example"},
		"poll": {URL: "https://w.example", Poll: time.Millisecond}, "life": {URL: "https://w.example", Life: -1}, "certificates": {URL: "https://w.example/api/v1.0/"}, "as https://w.example/waive/api/v1.0": {URL: "https://w.example/waive/"},
	} {
		if want == "certificates" {
			c.CAFile = "/dev/null"
		}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// failing is a follower of a build whose test base/running failed, a minute later.
func failing(t *testing.T, w *wall) *following {
	t.Helper()
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	h := follow(t, srv.URL)
	h.Tested("20261103_01", releasetest.Failed("base/running"), releasetest.Failed("storage/resize")).Add(time.Minute)
	w.filed = h.Now
	return h
}

// TestFollowerTellsProductVersionsApart: what was waived for another is waived for
// no gate of ours, and taking it back takes nothing back.
func TestFollowerTellsProductVersionsApart(t *testing.T) {
	w := &wall{all: true}
	h := failing(t, w)
	for _, v := range []string{"test-1", "eln"} {
		h.Policy.Gates = append(h.Policy.Gates, greenwave.Gate{Context: "release", ProductVersion: v})
	}
	eln := func(x *greenwave.Waiver) { x.ProductVersion = "eln" }
	w.add(1, "alice", "base/running", eln)
	h.poll()
	if got := h.waived("20261103_01"); len(got) > 0 {
		t.Errorf("for another: %q", got)
	}
	w.add(3, "alice", "base/running", func(x *greenwave.Waiver) { eln(x); x.Waived = false })
	w.add(5, "alice", "base/running", nil)
	h.poll()
	h.poll()
	if got := h.waived("20261103_01"); len(got) != 1 {
		t.Errorf("%q, told %q", got, h.told)
	}
	b := h.State.Line("test-1").Build("20261103_01")
	for v, want := range map[string]int{"test-1": 1, "eln": 0} {
		if got := greenwave.EvidenceOf(b, greenwave.SubjectOf(b), v, h.Now).Waivers; len(got) != want {
			t.Errorf("at the gate of %s: %+v", v, got)
		}
	}
	// Nor does one that is older than what it takes back.
	scenario := qcow2
	for id, want := range map[int64]int{3: 0, 6: 1} {
		if got := h.f.takeBack(b, greenwave.Waiver{ID: id, TestCase: "base/running", Scenario: &scenario, ProductVersion: "test-1"}); len(got) != want {
			t.Errorf("%d takes back %v", id, got)
		}
	}
}

// TestFollowerForgetsWhatIsGone from a whole answer, and from no other; not what
// a later one replaced there.
func TestFollowerForgetsWhatIsGone(t *testing.T) {
	w := &wall{}
	h := failing(t, w)
	w.add(1, "alice", "base/running", nil)
	w.add(2, "carol", "storage/resize", nil)
	h.poll()
	w.add(3, "dave", "base/running", nil) // who may nothing
	h.poll()
	for _, raw := range []string{"{}", `{"data": null}`, `{"data": [], "next": "page=2"}`} {
		w.raw = raw
		if err := h.f.Poll(t.Context()); err == nil {
			t.Errorf("%s is an answer", raw)
		}
	}
	w.raw = ""
	h.poll()
	if got := h.waived("20261103_01"); len(got) != 2 {
		t.Fatalf("%q, told %q", got, h.told)
	}
	w.mu.Lock()
	w.list = w.list[1:2]
	w.mu.Unlock()
	h.told = nil
	h.poll()
	h.poll()
	if got := h.waived("20261103_01"); !slices.Equal(got, []string{"storage/resize@qcow2/x86_64 by carol"}) {
		t.Errorf("%q, told %q", got, h.told)
	}
	if all := strings.Join(h.told, "\n"); strings.Count(all, "waiver.withdrawn: waiver 1, which is gone") != 1 {
		t.Errorf("told %s", all)
	}
}

// TestFollowerFollowsNoStage: one knows no waiver that was taken back.
func TestFollowerFollowsNoStage(t *testing.T) {
	w := &wall{about: About{Version: "1", Server: Assay}}
	h := failing(t, w)
	w.add(1, "alice", "base/running", nil)
	if err := h.f.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "is a release stage and no WaiverDB") || len(w.asked) > 0 {
		t.Errorf("%v, asked %v", err, w.asked)
	}
}

// TestFollowerLooksPastOneBuild: one that was revoked, and one of which there are
// more waivers than are read.
func TestFollowerLooksPastOneBuild(t *testing.T) {
	w := &wall{}
	h := failing(t, w)
	h.Tested("20261104_01", releasetest.Failed("base/running"))
	h.Record(releasetest.Alice, &release.ReleaseRevoked{Build: "20261104_01", Word: releasetest.Word("bad")})
	h.Tested("20261102_01", releasetest.Failed("base/running")).Add(time.Minute)
	w.filed = h.Now
	for i := range maxWaivers {
		w.add(int64(i+10), "alice", "base/running", func(x *greenwave.Waiver) { s := fmt.Sprint("x/", i); x.Scenario = &s })
	}
	w.add(1, "alice", "base/running", func(x *greenwave.Waiver) { x.Identifier = "Test-20261102_01" })
	h.poll()
	if got := h.waived("20261102_01"); len(got) != 1 {
		t.Errorf("%q, told %d", got, len(h.told))
	}
}
