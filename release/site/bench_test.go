package site_test

import (
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/release/site"
)

// BenchmarkRender makes the site of ten years of nightlies with a release every
// two weeks.
func BenchmarkRender(b *testing.B) {
	h := releasetest.NewHistory(b, "nightly")
	h.Policy.Tests.Timeout = 20 * 365 * 24 * time.Hour
	h.Policy.Calendar.First = time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC) // releases are recorded, not decided here
	var last release.BuildID
	for i := range 3650 {
		id := release.NewBuildID(h.Now, 1)
		f := releasetest.BuildSeen(h.Policy, id, h.Now)
		h.Record(release.Self, f)
		r := &release.ReleaseDecided{Build: id, Previous: last, Reasons: []string{"two weeks have passed"}}
		for _, a := range f.Artifacts {
			h.Record(release.Self, &release.TestRequested{Build: id, Artifact: a.ID, Digest: a.Digest, Attempt: 1, Deadline: h.Now.Add(time.Hour)})
			h.Record(release.Self, releasetest.Answer(id, a.ID, 1, h.Now))
			r.Artifacts = append(r.Artifacts, release.Tested{Artifact: a.ID, Digest: a.Digest})
		}
		if i%14 == 0 {
			h.Record(release.Self, r)
			last = id
		}
		h.Add(24 * time.Hour)
	}
	in := site.Input{URL: "https://example.org", State: h.State, Now: h.Now, Streams: []site.Stream{{Policy: h.Policy}}}
	size := 0
	for b.Loop() {
		size = 0
		for _, f := range render(b, in) {
			size += len(f)
		}
	}
	b.ReportMetric(float64(size)/1e6, "MB")
}
