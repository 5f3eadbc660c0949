package publish

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"assay/release"
	"assay/release/sign"
	"assay/release/sign/signtest"
)

// deadly is a folder with a gpgv that kills whoever calls it at the nth time.
func deadly(t *testing.T, nth int) string {
	t.Helper()
	real, err := exec.LookPath("gpgv")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	signtest.Write(t, filepath.Join(dir, "gpgv"), []byte(fmt.Sprintf(`#!/bin/sh
echo >>%[1]s/calls
if [ $(wc -l <%[1]s/calls) = %[2]d ]; then kill -9 $PPID; sleep 5; fi
exec %[3]s "$@"
`, dir, nth, real)), 0o755)
	return dir
}

// moments are the folders for moments below a spool.
func moments(t *testing.T, spool string) (out []string) {
	t.Helper()
	for _, pattern := range []string{".tmp/*", "*/tmp/*"} {
		found, err := filepath.Glob(filepath.Join(spool, pattern))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

// TestKilledWhileItVerifies leaves nothing in the system's temporary folder, and
// nothing in the spool once the next one starts.
func TestKilledWhileItVerifies(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	effects := b.effects(t, "20261102_01", 2)
	for _, c := range []struct {
		who string
		nth int
		job func() childJob
	}{
		{"signer", 2, func() childJob {
			j := b.job(nil)
			j.Sign, j.SignSpool = []release.Effect{b.made["20261102_01"].Sign("key")}, t.TempDir()
			return j
		}},
		{"publisher", 2, func() childJob { return b.job(effects) }},
	} {
		j, tmp := c.job(), t.TempDir()
		cmd := start(t, j)
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp, "PATH="+deadly(t, c.nth)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if x, ok := err.(*exec.ExitError); !ok || x.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s was not killed: %v\n%s", c.who, err, out)
		}
		left := append(moments(t, j.Spool), moments(t, j.SignSpool)...)
		if len(left) == 0 {
			t.Errorf("%s was killed in no moment: the test shows nothing", c.who)
		}
		if all, err := os.ReadDir(tmp); err != nil || len(all) != 0 {
			t.Errorf("%s left %v in the temporary folder, %v", c.who, all, err)
		}
		if _, err := sign.New("key", b.key, sign.Options{Spool: j.SignSpool}); err != nil {
			t.Fatal(err)
		}
		b.open(t)
		for _, l := range append(moments(t, j.Spool), moments(t, j.SignSpool)...) {
			if !strings.HasSuffix(l, ".door") {
				t.Errorf("%s left %s", c.who, l)
			}
		}
	}
	b.publish(t, effects)
	if p := b.look(t); p.Build != "20261102_01" {
		t.Errorf("readers are given %q", p.Build)
	}
}
