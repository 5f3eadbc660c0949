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

func TestParseDeployments(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	head := func(mark, os, label string) string { return mark + " " + os + " " + sum + ".0" + label + "\n" }
	for _, c := range []struct{ name, text, want string }{
		{"one", head("*", "os", ""), "B"},
		{"staged", head(" ", "os", " (staged)") + head("*", "os", "") + head(" ", "os", " (rollback)"), "S B R"},
		{"pending, pinned", head(" ", "os", " (pending)") + "    Pinned: yes\n" + head("*", "os", ""), "Pp B"},
		{"before labels, upgraded", head("*", "os", "") + head(" ", "os", ""), "B R"},
		{"before labels, upgrade waits", head(" ", "os", "") + head("*", "os", ""), "P B"},
		{"other stateroot", head(" ", "x", "") + head("*", "os", "") + head(" ", "x", ""), "- B -"},
		{"not booted from it", head(" ", "os", ""), "-"},
		{"several labels", head(" ", "os", " (pending) (finalization locked)") + head("*", "os", ""), "P B"},
		{"none", "No deployments.\n", ""},
	} {
		got, err := ParseDeployments(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var marks []string
		for _, d := range got {
			m := ""
			for _, f := range []struct {
				on   bool
				mark string
			}{{d.Booted, "B"}, {d.Staged, "S"}, {d.Pending, "P"}, {d.Rollback, "R"}, {d.Pinned, "p"}} {
				if f.on {
					m += f.mark
				}
			}
			if m == "" {
				m = "-"
			}
			marks = append(marks, m)
		}
		if s := strings.Join(marks, " "); s != c.want {
			t.Errorf("%s: %s; want %s", c.name, s, c.want)
		}
	}
	full := head("*", "os", "") + "    Version: 1.2: three\n    Unlocked: hotfix\n    origin refspec: r:a/b\n    GPG: Signature made Mon\n          Good signature\n"
	if got, err := ParseDeployments(full); err != nil || got[0].Version != "1.2: three" || got[0].Unlocked != "hotfix" ||
		got[0].Origin != "r:a/b" || got[0].Ref() != "a/b" || got[0].Checksum != sum {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"    Version: 1\n", "hello\n", "* os abc.0\n", "* os " + sum + "\n", "* " + sum + ".0\n",
		head("*", "os", "") + head("*", "os", ""), "error: no such file\n", "* os " + sum + ".-1\n"} {
		if got, err := ParseDeployments(bad); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

func TestParseDeploymentsSamples(t *testing.T) {
	for _, name := range samples(t, "ostree/admin-status/*") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseDeployments(string(b))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		booted := 0
		for i, d := range got {
			if d.Booted {
				booted++
			}
			wantPending := i == 0 && (strings.Contains(name, "pending") || strings.Contains(name, "l153") || strings.Contains(name, "l85"))
			wantRollback := i == 1 && (strings.Contains(name, "rollback") || strings.Contains(name, "l174") || strings.Contains(name, "l86"))
			if d.Pending != wantPending || d.Rollback != wantRollback {
				t.Errorf("%s: deployment %d is %+v", filepath.Base(name), i, d)
			}
		}
		if booted != 1 {
			t.Errorf("%s: %d are booted", filepath.Base(name), booted)
		}
	}
	// What ostree prints elsewhere is refused.
	for _, name := range samples(t, "ostree/admin-other/*") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseDeployments(string(b)); err == nil {
			t.Errorf("%s was taken for a status: %+v", filepath.Base(name), got)
		}
	}
}

func FuzzParseDeployments(f *testing.F) {
	f.Add("* os " + strings.Repeat("0a", 32) + ".0 (staged)\n    Version: 1\n")
	f.Fuzz(func(t *testing.T, s string) {
		all, err := ParseDeployments(s)
		for _, d := range all {
			if err != nil || !isChecksum(d.Checksum) || d.OSName == "" || d.Booted && (d.Pending || d.Rollback) {
				// A booted deployment may carry a label only when the text says so.
				if !strings.Contains(s, "(") {
					t.Errorf("%+v, %v", d, err)
				}
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
