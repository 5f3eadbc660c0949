package release_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
	"assay/reports"
)

// years makes a history of nightlies: 6 artifacts, 80 checks each, a release
// every two weeks, a failure now and then.
func years(b *testing.B, n int) (*release.Policy, *releasetest.Log, time.Time) {
	h := releasetest.NewHistory(b, stream)
	h.Policy.Artifacts = nil
	for _, arch := range []artifact.Arch{artifact.X8664, artifact.AArch64} {
		for _, kind := range []string{"qcow2", "raw.xz", "vagrant-libvirt"} {
			h.Policy.Artifacts = append(h.Policy.Artifacts, release.Wanted{ID: release.NewArtifactID(kind, arch)})
		}
	}
	var passed release.CheckList
	for i := range 80 {
		passed = append(passed, reports.CaseID(fmt.Sprintf("criterion-%d/check-number-%d", i/8, i)))
	}
	for night := range 365 * n {
		id := release.NewBuildID(h.Now, 1)
		h.Record(release.Self, releasetest.BuildSeen(h.Policy, id, h.Now))
		for _, w := range h.Policy.Artifacts {
			h.Record(release.Self, &release.TestRequested{Build: id, Artifact: w.ID, Digest: releasetest.Digest(id, w.ID), Attempt: 1, Deadline: h.Now.Add(time.Hour)})
			a := releasetest.Answer(id, w.ID, 1, h.Now)
			a.Passed = passed
			if night%5 == 0 {
				a = releasetest.Answer(id, w.ID, 1, h.Now, releasetest.Failed(passed[night%80]))
				a.Passed = append(append(release.CheckList{}, passed[:night%80]...), passed[night%80+1:]...)
			}
			h.Record(release.Self, a)
		}
		if night%14 == 2 && night < 365*n-14 { // the last builds wait for a date
			h.Next()
		}
		h.Add(24 * time.Hour)
	}
	return h.Policy, h.Log.(*releasetest.Log), h.Now
}

// BenchmarkDecide shows how the cost grows from one year to ten: "cold" folds
// the whole history first; "warm" decides at the next date, "nothing passed" at
// one at which no build since the last release is good enough.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 3, 10} {
		p, log, now := years(b, n)
		bytes := int64(0)
		for _, r := range log.Records() {
			bytes += int64(len(r.Raw))
		}
		b.Run(fmt.Sprintf("years=%d/cold", n), func(b *testing.B) {
			b.SetBytes(bytes)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var s *release.State
			for b.Loop() {
				var err error
				if s, err = release.Load(context.Background(), log); err != nil {
					b.Fatal(err)
				}
				release.Decide(p, s, now)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MiB-held")
			runtime.KeepAlive(s)
		})
		s, err := release.Load(context.Background(), log)
		if err != nil {
			b.Fatal(err)
		}
		due := p.Calendar.Next(now).At
		picky := *p
		picky.Require = []release.Required{{Checks: "none/*"}}
		for name, q := range map[string]*release.Policy{"warm": p, "nothing passed": &picky} {
			b.Run(fmt.Sprintf("years=%d/%s", n, name), func(b *testing.B) {
				d := release.Decide(q, s, due)
				if (d.Action == release.Promote) != (q == p) || len(d.Candidates) == 0 {
					b.Fatal(d.Text())
				}
				for b.Loop() {
					release.Decide(q, s, due)
				}
			})
		}
		b.Run(fmt.Sprintf("years=%d/effects", n), func(b *testing.B) {
			for b.Loop() {
				release.Effects(p, s, now)
			}
		})
	}
}
