package guest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const twoUnits = `Id=sshd.service
Description=OpenSSH server = daemon
LoadState=loaded
ActiveState=active
SubState=running
Result=success
UnitFileState=enabled
NRestarts=2
ExecMainStatus=0
InactiveExitTimestampMonotonic=1000000
ActiveEnterTimestampMonotonic=3500000
InactiveEnterTimestampMonotonic=0

Id=once.service
LoadState=loaded
ActiveState=failed
SubState=failed
Result=exit-code
NRestarts=[not set]
ExecMainStatus=203
InactiveExitTimestampMonotonic=2000000
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=2250000

Id=sshd.service
ActiveState=active
`

func TestParseUnits(t *testing.T) {
	got, err := parseUnits(twoUnits)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d units, %v", len(got), err)
	}
	want := Unit{Name: "sshd.service", Description: "OpenSSH server = daemon", Load: "loaded", Active: "active", Sub: "running",
		Result: "success", FileState: "enabled", NRestarts: 2, Took: 2500 * time.Millisecond}
	if got[0] != want {
		t.Errorf("%+v", got[0])
	}
	if u := got[1]; u.NRestarts != 0 || u.ExitStatus != 203 || u.Took != 250*time.Millisecond || u.state() != "failed (failed), result exit-code" {
		t.Errorf("%+v", u)
	}
	for _, bad := range []string{"what", "ActiveState=active", "=x\nId=a"} {
		if got, err := parseUnits(bad); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

func FuzzParseUnits(f *testing.F) {
	f.Add(twoUnits)
	f.Fuzz(func(t *testing.T, s string) {
		units, err := parseUnits(s)
		for _, u := range units {
			if u.Name == "" || u.Took < 0 || err != nil {
				t.Errorf("%+v, %v", u, err)
			}
		}
	})
}

func TestBlameSample(t *testing.T) {
	for _, name := range samples(t, "systemd/analyze/*blame*") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			if took, unit, ok := blame(strings.TrimSpace(line)); !ok || took <= 0 || !strings.Contains(unit, ".") {
				t.Errorf("%s: %q gives %s %s %v", filepath.Base(name), line, took, unit, ok)
			}
		}
	}
}

// TestPenaltyStaysBelowOpenSSH plays OpenSSH's account of a caller.
func TestPenaltyStaysBelowOpenSSH(t *testing.T) {
	for _, c := range []struct {
		err  error
		cost float64
	}{{&AuthError{}, 5}, {&HostKeyError{}, 1}} {
		var p penalty
		now := time.Unix(1700000000, 0)
		account, tries := 0.0, 0
		for elapsed := 0.0; elapsed < 600; tries++ {
			account += c.cost
			if account >= 15 {
				t.Fatalf("%T: shut out after %d tries in %.0f s", c.err, tries, elapsed)
			}
			d := p.wait(now, c.err)
			now, elapsed = now.Add(d), elapsed+d.Seconds()
			account = max(0, account-d.Seconds())
		}
		if tries < 100 {
			t.Errorf("%T: %d tries in ten minutes are few", c.err, tries)
		}
	}
}

func TestBanner(t *testing.T) {
	for in, want := range map[string]string{
		"SSH-2.0-x\r\nrest":           "SSH-2.0-x",
		"hello\r\nSSH-2.0-y\n":        "SSH-2.0-y",
		"Exceeded MaxStartups\r\n":    "",
		"":                            "",
		"SSH-2.0-cut":                 "",
		strings.Repeat("x", 2000):     "",
		strings.Repeat("line\n", 100): "",
		"\xff\x00\nSSH-2.0-OpenSSH\n": "SSH-2.0-OpenSSH",
	} {
		got, c, err := readBanner(&textConn{r: strings.NewReader(in)})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q gives %q, %v", in, got, err)
		}
		if err == nil {
			b := make([]byte, len(in))
			if n, _ := c.Read(b); !strings.HasPrefix(in, string(b[:n])) || n == 0 {
				t.Errorf("%.40q: what was read is gone: %q", in, b[:n])
			}
		}
	}
}
