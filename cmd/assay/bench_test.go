package main

import (
	"os"
	"path/filepath"
	"testing"

	"assay/fixtures/refimage"
	"assay/harness"
	"assay/reports"
)

// BenchmarkWholeRun measures a run of the suites of one deployment, forked and
// with one boot for every group of checks.
func BenchmarkWholeRun(b *testing.B) {
	if os.Getenv("ASSAY_GUEST_TESTS") == "" {
		b.Skip("boots real guests: set ASSAY_GUEST_TESTS=1 (make bench does)")
	}
	cache, err := harness.DefaultCache()
	if err != nil {
		b.Fatal(err)
	}
	img, err := refimage.Ensure(b.Context(), refimage.Options{Cache: cache, Log: os.Stderr})
	if err != nil {
		b.Fatal(err)
	}
	for _, mode := range []struct {
		name   string
		noFork bool
	}{{"forked", false}, {"one-boot-per-group", true}} {
		b.Run(mode.name, func(b *testing.B) {
			for b.Loop() {
				run, err := harness.Run(b.Context(), harness.Options{Image: img.QCOW2, Cache: cache, NoFork: mode.noFork,
					Selection: harness.Selection{Suites: []string{"base", "cloud-init", "storage", "runtime", "containers"}, Labels: []string{"!slow"}},
					Results:   filepath.Join(b.TempDir(), "results"), Progress: func(p harness.Progress) {
						if p.Done && !p.OK {
							b.Log(p.Text)
						}
					}})
				if err != nil {
					b.Fatal(err)
				}
				checks := 0
				for _, s := range run.Suites {
					checks += len(s.Cases)
				}
				b.ReportMetric(float64(checks), "checks")
				took := run.Finished.Sub(run.Started)
				if run.Verdict != reports.Accepted {
					b.Errorf("%s: %s", run.Verdict, run.Reason)
				}
				b.ReportMetric(took.Seconds(), "s/run")
				b.ReportMetric(100*run.Usage.CPU.Seconds()/took.Seconds(), "%cpu-parent")
				b.ReportMetric(float64(run.Usage.MaxRSSKiB)/1024, "MiB-parent")
			}
		})
	}
}
