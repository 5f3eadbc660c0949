package release_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
	"assay/reports"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// facts has one valid fact of every type.
func facts() []release.Fact {
	const b = release.BuildID("20261102_01")
	p := releasetest.Policy(stream)
	word, at := releasetest.Word("because"), releasetest.Start
	d := releasetest.Digest(b, releasetest.QCOW2)
	seen := releasetest.BuildSeen(p, b, at)
	seen.From, seen.Rebuild = &release.BuildRef{Stream: "up", Build: b}, 2
	known := releasetest.Failed("upgrade/plain")
	known.Known = &reports.Known{Tracker: "https://bugs.example/1", Expires: "2026-12-01"}
	return []release.Fact{
		&release.HistoryOpened{History: "x"},
		&release.HistoryAcknowledged{Findings: []release.Finding{{Key: "lost:1-2:ab", Seq: 1, Text: "t"}}, Reason: "r"},
		&release.PolicySet{Text: "stream: x\n", Files: []release.PolicyFile{{Name: "gates.yaml", Text: "a"}}, Digest: release.PolicyDigest("stream: x\n", []release.PolicyFile{{Name: "gates.yaml", Text: "a"}})},
		seen,
		&release.BuildFailed{Compose: "C", Status: "DOOMED", Ended: at, Reason: "r", Log: "https://log.example"},
		&release.BuildMissing{Date: "2026-11-02", Due: at},
		&release.PackagesListed{Build: b, Arch: artifact.X8664, Packages: []string{"bash-5-1.x86_64"}},
		&release.TestRequested{Build: b, Artifact: releasetest.QCOW2, Digest: d, Attempt: 1, Deadline: at},
		releasetest.Answer(b, releasetest.QCOW2, 1, at, known, releasetest.Errored("storage/pool")),
		&release.CheckWaived{Waiver: "w", Build: b, Check: "storage/pool", Artifact: releasetest.QCOW2, Word: word, Expires: at, Forced: true, ProductVersion: "43"},
		&release.WaiverWithdrawn{Waiver: "w", Word: word},
		&release.BuildMarked{Build: b, Mark: release.MarkBad, Word: word},
		&release.StreamBlocked{Word: word},
		&release.StreamUnblocked{Word: word},
		&release.PromotionRequested{Request: "p", Build: b, Older: true, Word: word},
		&release.PromotionWithdrawn{Request: "p", Word: word},
		&release.ReleaseDecided{Build: b, Slot: "2026-11-03", SlotAt: at, Request: "p", Previous: "20261101_01", Policy: d, Artifacts: []release.Tested{{Artifact: releasetest.QCOW2, Digest: d}}, Waivers: []string{"w"}, Reasons: []string{"r"}},
		&release.ReleaseRevoked{Build: b, Word: word},
		&release.RevocationLifted{Build: b, Word: word},
		&release.ReleasesRetired{Target: "site", Builds: []release.BuildID{"20261121_01"}, Word: release.Word{Reason: "the disk is full"}},
		&release.SlotSkipped{Slot: "2026-11-03", At: at, Reasons: []string{"r"}},
		&release.SlotsReopened{After: at, Word: word},
		&release.RebuildRequested{Slot: "up#2", From: release.BuildRef{Stream: "up", Build: b}, Number: 2, Word: word},
		&release.RebuildFailed{From: release.BuildRef{Stream: "up", Build: b}, Number: 1, Reason: "r", Log: "l"},
		&release.EffectStarted{Key: "bug/t/x/1/open", Attempt: 1, Lease: at},
		&release.EffectDone{Key: "bug/t/x/1/open", Attempt: 1, Kind: release.EffectBug, Ref: "1", URL: "https://bugs.example/1",
			Bug: &release.BugNote{Tracker: "t", Subject: "x", Print: "p", FirstBad: "f"}, Files: []release.File{{Name: "CHECKSUM", Digest: d, Location: "/x"}}},
		&release.EffectFailed{Key: "bug/t/x/1/open", Attempt: 1, Error: "e", Retry: at},
		&release.EffectDropped{Key: "bug/t/x/1/open", Word: word},
		&release.BugObserved{Tracker: "t", Ref: "1", Open: true, WontFix: true, At: at},
	}
}

func event(t testing.TB, f release.Fact) release.Event {
	s := stream
	if strings.HasPrefix(string(f.Type()), "history.") {
		s = ""
	}
	e, err := release.NewEvent(s, releasetest.Start, releasetest.Alice, f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEventsReadAsTheyWereWritten(t *testing.T) {
	var doc any
	if err := json.Unmarshal(release.EventSchema(), &doc); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("events.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[release.Type]bool{}
	for _, f := range facts() {
		seen[f.Type()] = true
		raw, err := release.Encode(release.Head{Seq: 6, Hash: releasetest.Digest("20261102_01", "x/y")}, event(t, f))
		if err != nil {
			t.Fatal(err)
		}
		e, err := release.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e.Fact, f) || e.Seq != 7 || e.Actor.Name != "alice" {
			t.Errorf("%s: wrote %+v, read %+v", f.Type(), f, e.Fact)
		}
		again, err := release.Encode(release.Head{Seq: 6, Hash: e.Prev}, e)
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%s: written again it is %s, not %s (%v)", f.Type(), again, raw, err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("the schema refuses %s: %v", raw, err)
		}
		// A field from the future is left alone, by reader and schema.
		more := bytes.Replace(raw, []byte(`"data":{`), []byte(`"mood":"fine","data":{"tide":1,`), 1)
		more = bytes.Replace(more, []byte(`,}`), []byte(`}`), 1)
		if _, err := release.Decode(more); err != nil {
			t.Errorf("with an unknown field: %v", err)
		}
	}
	for ty := range release.Types() {
		if !seen[ty] {
			t.Errorf("no test writes %s", ty)
		}
	}
	for _, bad := range []string{`{}`, `{"seq":1}`, strings.Replace(string(mustEncode(t)), `"reason":"because"`, `"reason":7`, 1)} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(v) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}

func mustEncode(t testing.TB) []byte {
	raw, err := release.Encode(release.Head{}, event(t, &release.StreamBlocked{Word: releasetest.Word("because")}))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestBadEventsAreRefused(t *testing.T) {
	good := string(mustEncode(t))
	for name, c := range map[string]struct{ raw, says string }{
		"nothing":         {"", "cannot read event"},
		"not JSON":        {"{", "cannot read event"},
		"line break":      {good[:20] + "\n" + good[20:], "line break"},
		"oversized":       {strings.Repeat("x", release.MaxEvent+1), "more than"},
		"no seq":          {strings.Replace(good, `"seq":1,`, ``, 1), "are needed"},
		"no data":         {good[:strings.Index(good, `,"data"`)] + "}", "are needed"},
		"unknown type":    {strings.Replace(good, `"type":"stream.blocked"`, `"type":"stream.eaten"`, 1), `does not know events "stream.eaten"`},
		"later version":   {strings.Replace(good, `"version":1`, `"version":2`, 1), "of version 2"},
		"hostile stream":  {strings.Replace(good, `"stream":"test-1"`, `"stream":"../../etc"`, 1), "stream name"},
		"no stream":       {strings.Replace(good, `"stream":"test-1",`, ``, 1), "its stream is"},
		"nameless actor":  {strings.Replace(good, `"name":"alice"`, `"name":""`, 1), "no name"},
		"odd actor":       {strings.Replace(good, `"person"`, `"robot"`, 1), "want person or service"},
		"no reason":       {strings.Replace(good, `"reason":"because"`, `"reason":" "`, 1), "missing"},
		"reason too long": {strings.Replace(good, `because`, strings.Repeat("x", 5000), 1), "more than 4096"},
	} {
		if _, err := release.Decode([]byte(c.raw)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	var unknown *release.UnknownError
	if _, err := release.Decode([]byte(strings.Replace(good, `"type":"stream.blocked"`, `"type":"stream.eaten"`, 1))); !errors.As(err, &unknown) {
		t.Errorf("no UnknownError: %v", err)
	}
	for name, f := range map[string]release.Fact{
		"path in a file name": &release.BuildSeen{Build: "20261102_01", Created: releasetest.Start, Artifacts: []release.Artifact{{ID: "iso/x86_64", Name: "../x", Location: "/x", Digest: releasetest.Digest("", ""), Size: 1}}},
		"half a digest":       &release.BuildSeen{Build: "20261102_01", Created: releasetest.Start, Artifacts: []release.Artifact{{ID: "iso/x86_64", Name: "x", Location: "/x", Digest: "sha256:12", Size: 1}}},
		"no such date":        &release.BuildMarked{Build: "20261302_01", Mark: release.MarkBad, Word: releasetest.Word("x")},
		"number 0":            &release.BuildMarked{Build: "20261102_00", Mark: release.MarkBad, Word: releasetest.Word("x")},
		"two spellings":       &release.BuildMarked{Build: "20261102_001", Mark: release.MarkBad, Word: releasetest.Word("x")},
		"waiver without link": &release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "a/b", Word: release.Word{Reason: "x"}, Expires: releasetest.Start},
		"release of nothing":  &release.ReleaseDecided{Build: "20261102_01"},
	} {
		if _, err := release.NewEvent(stream, releasetest.Start, release.Self, f); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestBuildNumbers(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	day := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for n := 1; n <= 101; n++ {
		compose := fmt.Sprint("C", n)
		id := h.State.Line(stream).NextBuildID(compose, day)
		f := releasetest.BuildSeen(h.Policy, id, day)
		f.Compose = compose
		h.Record(release.Self, f)
		if again := h.State.Line(stream).NextBuildID(compose, day); again != id {
			t.Fatalf("compose %s has the numbers %s and %s", compose, id, again)
		}
	}
	l := h.State.Line(stream)
	if a, b := l.ByCompose("C99").ID, l.ByCompose("C100").ID; a != "20261102_99" || b != "20261102_100" || a.Compare(b) >= 0 || b.Compare("20261103_01") >= 0 {
		t.Errorf("%s, %s", a, b)
	}
}

func FuzzDecode(f *testing.F) {
	for _, x := range facts() {
		raw, err := release.Encode(release.Head{}, event(f, x))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := release.Decode(raw)
		if err != nil || e.Seq == 0 {
			return
		}
		again, err := release.Encode(release.Head{Seq: e.Seq - 1, Hash: e.Prev}, e)
		if err != nil {
			t.Fatalf("read, and cannot be written: %v", err)
		}
		e2, err := release.Decode(again)
		if err != nil || !reflect.DeepEqual(e.Fact, e2.Fact) {
			t.Fatalf("%s\n%s\n%v", raw, again, err)
		}
	})
}

// FuzzDecide folds lines that somebody else wrote.
func FuzzDecide(f *testing.F) {
	h := releasetest.NewHistory(f, stream)
	h.Tested("20261101_01").Tested("20261102_01", releasetest.Failed("upgrade/plain")).At("2026-11-03T12:00:00Z").Next()
	h.MustSay(&release.ReleaseRevoked{Build: "20261101_01", Word: releasetest.Word("x")})
	var all []byte
	for _, r := range h.Log.(*releasetest.Log).Records() {
		all = append(append(all, r.Raw...), '\n')
	}
	f.Add(all)
	for _, x := range facts() {
		raw, _ := release.Encode(release.Head{}, event(f, x))
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := release.NewState()
		for i, raw := range bytes.Split(data, []byte("\n")) {
			// What can be read is put into an unbroken chain, so that more than
			// the check of the chain is tried.
			if e, err := release.Decode(raw); err == nil {
				if again, err := release.Encode(s.Head(), e); err == nil {
					raw = again
				}
			}
			s.Apply(release.Record{Seq: uint64(i + 1), Raw: raw})
		}
		d := release.Decide(h.Policy, s, h.Now)
		if d.Action == release.Promote && len(s.Findings()) > 0 {
			t.Fatal("promoted from a damaged history")
		}
		if d.Text() == "" || len(d.Reasons) == 0 {
			t.Fatal("no reason")
		}
		if _, err := release.Next(h.Policy, s, h.Now); err != nil {
			t.Fatal(err)
		}
		release.Effects(h.Policy, s, h.Now)
		release.StatusOf(h.Policy, s, h.Now)
		release.Explain(h.Policy, s, "20261102_01", h.Now)
	})
}
