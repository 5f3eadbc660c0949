package history

import (
	"fmt"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/reports"

	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkColdStart opens a store of ten years of nightlies (3,650 builds, 6
// artifacts, 80 checks each) and folds it.
func BenchmarkColdStart(b *testing.B) {
	for _, years := range []int{1, 10} {
		dir := b.TempDir()
		n := fillYears(b, dir, years)
		b.Run(fmt.Sprintf("years=%d", years), func(b *testing.B) {
			for b.Loop() {
				h, err := Open(b.Context(), Options{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				s, err := release.Load(b.Context(), h)
				if err != nil || s.Head().Seq != n || len(s.Findings()) > 0 {
					b.Fatalf("%d events, %v, %v", s.Head().Seq, s.Findings(), err)
				}
				if err := h.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "events")
		})
	}
}

// fillYears publishes without waiting, which no real writer does.
func fillYears(b *testing.B, dir string, years int) uint64 {
	h, err := Open(b.Context(), Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	var passed release.CheckList
	for i := range 80 {
		passed = append(passed, reports.CaseID(fmt.Sprintf("criterion-%d/check-number-%d", i/8, i)))
	}
	head := release.Head{}
	add := func(stream release.Stream, f release.Fact) {
		e, err := release.NewEvent(stream, t0, release.Self, f)
		if err != nil {
			b.Fatal(err)
		}
		raw, err := release.Encode(head, e)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.js.PublishAsync(h.subject, raw, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
		head = release.Head{Seq: head.Seq + 1, Hash: release.HashOf(raw)}
	}
	add("", &release.HistoryOpened{History: "bench"})
	for night := range 365 * years {
		at := t0.AddDate(0, 0, night)
		seen := &release.BuildSeen{Build: release.NewBuildID(at, 1), Compose: fmt.Sprint("C", night), Created: at}
		for i := range 6 {
			id := release.NewArtifactID(fmt.Sprint("kind", i), artifact.X8664)
			seen.Artifacts = append(seen.Artifacts, release.Artifact{ID: id, Name: fmt.Sprintf("C%d-%d", night, i), Location: "/x", Digest: release.HashOf([]byte(id)), Size: 1})
		}
		add("s", seen)
		for _, a := range seen.Artifacts {
			add("s", &release.TestRequested{Build: seen.Build, Artifact: a.ID, Digest: a.Digest, Attempt: 1, Deadline: at})
			add("s", &release.TestAnswered{Build: seen.Build, Artifact: a.ID, Digest: a.Digest, Attempt: 1, Verdict: reports.Accepted, Run: "r", Finished: at, Passed: passed})
		}
	}
	select {
	case <-h.js.PublishAsyncComplete():
	case <-time.After(5 * time.Minute):
		b.Fatal("the store is slow")
	}
	if err := h.advance(head, release.Event{}); err != nil {
		b.Fatal(err)
	}
	return head.Seq
}
