package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"assay/fixtures/refimage"
	"assay/harness/guest"
	"assay/reports"
	"assay/suites/check"
)

// benchSession opens a session on the reference image.
func benchSession(b *testing.B) *session {
	b.Helper()
	if os.Getenv("ASSAY_GUEST_TESTS") == "" {
		b.Skip("boots real guests: set ASSAY_GUEST_TESTS=1 (make bench does)")
	}
	cache, err := DefaultCache()
	if err != nil {
		b.Fatal(err)
	}
	img, err := refimage.Ensure(b.Context(), refimage.Options{Cache: cache, Log: os.Stderr})
	if err != nil {
		b.Fatal(err)
	}
	opt := Options{Image: img.QCOW2, Results: filepath.Join(b.TempDir(), "results"), Cache: cache}
	if err := opt.fill(); err != nil {
		b.Fatal(err)
	}
	s, err := open(b.Context(), opt, &reports.Run{Started: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// firstCommand is the command that "to first command" ends with.
func firstCommand(b *testing.B, g *guest.SSH) {
	b.Helper()
	if _, err := guest.Output(b.Context(), g, "true"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFirstCommand measures how long a guest takes from nothing to the end
// of its first command: booted cold once, then forked. It reports both and
// their ratio, and how far readiness over SSH lags behind the guest's own
// account of its boot.
func BenchmarkFirstCommand(b *testing.B) {
	s := benchSession(b)
	began := time.Now()
	i, g, err := s.bringUp(b.Context(), "boot")
	if err != nil {
		b.Fatal(err)
	}
	ready := time.Now()
	firstCommand(b, g)
	cold := time.Since(began)
	lag := ready.Sub(bootFinished(b, g))
	if err := s.states.keep(b.Context(), i, g); err != nil {
		b.Fatal(err)
	}
	snap, err := s.states.get(b.Context(), check.Booted)
	if err != nil {
		b.Fatal(err)
	}
	var forks time.Duration
	b.ResetTimer()
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		f, g, err := s.enterFork(b.Context(), snap, "fork-"+strconv.Itoa(n))
		if err != nil {
			b.Fatal(err)
		}
		firstCommand(b, g)
		forks += time.Since(began)
		b.StopTimer()
		g.Close()
		if err := f.close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	fork := forks.Seconds() / float64(b.N)
	b.ReportMetric(cold.Seconds(), "s/cold")
	b.ReportMetric(fork, "s/fork")
	b.ReportMetric(fork/cold.Seconds(), "fork/cold")
	b.ReportMetric(lag.Seconds(), "s-ssh-lag")
}

// bootFinished is when the guest says that its boot had finished. Its clock is
// the host's: both read the same hardware clock.
func bootFinished(b *testing.B, g *guest.SSH) time.Time {
	b.Helper()
	out, err := guest.Output(b.Context(), g, "sh", "-c",
		`now=$(date +%s.%N); read -r up _ </proc/uptime; fin=$(systemctl show -P FinishTimestampMonotonic); echo "$now $up $fin"`)
	if err != nil {
		b.Fatal(err)
	}
	asked := time.Now()
	var now, up, fin float64
	if _, err := fmt.Sscan(out, &now, &up, &fin); err != nil {
		b.Fatalf("cannot read %q: %v", out, err)
	}
	// Only differences on the guest's own clock are used.
	return asked.Add(-time.Duration((up - fin/1e6) * float64(time.Second)))
}

// BenchmarkWholeRun measures a whole run of all suites, forked and with one
// boot for every group of checks.
func BenchmarkWholeRun(b *testing.B) {
	for _, mode := range []struct {
		name   string
		noFork bool
	}{{"forked", false}, {"one-boot-per-group", true}} {
		b.Run(mode.name, func(b *testing.B) {
			s := benchSession(b)
			opt := s.opt
			opt.NoFork = mode.noFork
			for b.Loop() {
				opt.Results = filepath.Join(b.TempDir(), "results")
				run, err := Run(context.WithoutCancel(b.Context()), opt)
				if err != nil {
					b.Fatal(err)
				}
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
