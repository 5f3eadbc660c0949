package harness

import (
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
// their ratio, and how far the SSH banner and the end of the boot, as seen from
// outside, lag behind the guest's own account of them.
func BenchmarkFirstCommand(b *testing.B) {
	s := benchSession(b)
	began := time.Now()
	i, g, err := s.bringUp(b.Context(), "boot")
	if err != nil {
		b.Fatal(err)
	}
	firstCommand(b, g)
	cold := time.Since(began)
	sshd, finished := bootStamps(b, g)
	boot := s.run.Boots[len(s.run.Boots)-1]
	bannerLag, readyLag := i.started.Add(boot.ToBanner).Sub(sshd), i.started.Add(boot.ToReady).Sub(finished)
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
	b.ReportMetric(bannerLag.Seconds(), "s-banner-lag")
	b.ReportMetric(readyLag.Seconds(), "s-ready-lag")
}

// bootStamps are when the guest says that its SSH server ran and that its boot
// had finished. Only differences on the guest's own clock are used.
func bootStamps(b *testing.B, g *guest.SSH) (sshd, finished time.Time) {
	b.Helper()
	out, err := guest.Output(b.Context(), g, "sh", "-c", `
		fin=$(systemctl show -P FinishTimestampMonotonic)
		for u in ssh.socket sshd.socket ssh.service sshd.service; do
			up=$(systemctl show -P ActiveEnterTimestampMonotonic "$u")
			[ "$up" -gt 0 ] && break
		done
		read -r now _ </proc/uptime; echo "$now $fin $up"`)
	if err != nil {
		b.Fatal(err)
	}
	asked := time.Now()
	var now, fin, up float64
	if _, err := fmt.Sscan(out, &now, &fin, &up); err != nil {
		b.Fatalf("cannot read %q: %v", out, err)
	}
	at := func(us float64) time.Time { return asked.Add(-time.Duration((now - us/1e6) * float64(time.Second))) }
	return at(up), at(fin)
}
