package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/fixtures/refimage"
	"assay/harness"
	"assay/reports"
)

// BenchmarkWholeRun measures a run of the suites of one deployment, forked, with
// one boot for every group of checks, and with those boots one after the other. Every run has to accept the image:
// -bench WholeRun/forked -benchtime 10x is ten healthy runs.
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
		name     string
		noFork   bool
		parallel int // guests at once, 0 for as many as the host holds
	}{{"forked", false, 0}, {"one-boot-per-group", true, 0}, {"one-boot-after-the-other", true, 1}} {
		b.Run(mode.name, func(b *testing.B) {
			var took, cpu time.Duration
			checks, memory := 0, int64(0)
			for b.Loop() {
				run, err := harness.Run(b.Context(), harness.Options{Image: img.QCOW2, Cache: cache, NoFork: mode.noFork, Parallel: mode.parallel,
					Selection: harness.Selection{Suites: []string{"base", "cloud-init", "storage", "runtime", "containers"}, Labels: []string{"!slow"}},
					Results:   filepath.Join(b.TempDir(), "results"), Progress: func(p harness.Progress) {
						if p.Done && !p.OK {
							b.Log(p.Text)
						}
					}})
				if err != nil {
					b.Fatal(err)
				}
				if run.Verdict != reports.Accepted {
					b.Errorf("%s: %s", run.Verdict, run.Reason)
				}
				this := run.Finished.Sub(run.Started)
				b.Logf("%s: %s in %s", run.ID, run.Verdict, this.Round(time.Second))
				took += this
				cpu += run.Usage.CPU
				memory = max(memory, run.Usage.MaxRSSKiB)
				checks = 0
				for _, s := range run.Suites {
					checks += len(s.Cases)
				}
			}
			b.ReportMetric(float64(checks), "checks")
			b.ReportMetric(took.Seconds()/float64(b.N), "s/run")
			b.ReportMetric(100*cpu.Seconds()/took.Seconds(), "%cpu-parent")
			b.ReportMetric(float64(memory)/1024, "MiB-parent")
		})
	}
}
