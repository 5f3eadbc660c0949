package base

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestNameResolution(t *testing.T) {
	const local, served = "local ::1\nlocal 127.0.0.1\n", "served 192.168.127.1\n"
	const conf = "nsswitch hosts: files dns\nfile lrwxrwxrwx /etc/resolv.conf -> ../run/x\n"
	suitetest.Run(t, "base/name-resolution", []suitetest.Case{
		{Name: "both", Guest: says(resolveScript, served+local+conf)},
		{Name: "no names", Want: reports.Failed, Says: []string{"resolves no names", "gateway.assay.internal", "/etc/resolv.conf"}, Shows: []string{"../run/x"},
			Guest: says(resolveScript, local+conf)},
		{Name: "another's answer", Want: reports.Failed, Says: []string{"gateway.assay.internal to 203.0.113.9", "says 192.168.127.1"},
			Guest: says(resolveScript, "served 203.0.113.9\n"+local)},
		{Name: "no localhost", Want: reports.Failed, Says: []string{"does not resolve localhost"}, Guest: says(resolveScript, served)},
		{Name: "nothing served", Want: reports.Skipped, Guest: func(_ *guesttest.Fake, e *check.Env) { e.ServedName = "" }},
		lacks(resolveScript),
	})
}

// The script, with a getent of the test's own.
func TestResolveScript(t *testing.T) {
	const knowsBoth = `case $2 in
gateway.assay.internal) printf '192.168.127.1   STREAM gateway.assay.internal\n192.168.127.1   DGRAM  \n';;
localhost) printf '::1             STREAM localhost\n127.0.0.1       STREAM localhost\n';;
*) exit 2;;
esac`
	for name, c := range map[string]struct {
		getent, served, local string
		exit                  int
	}{
		"both":                {knowsBoth, "192.168.127.1", "127.0.0.1 ::1", 0},
		"localhost alone":     {"[ \"$2\" = localhost ] && echo 127.0.0.1 || exit 2", "", "127.0.0.1", 0},
		"nothing":             {"exit 2", "", "", 0},
		"at the second time":  {"[ -e \"$0.asked\" ] || { : >\"$0.asked\"; exit 2; }\n" + knowsBoth, "192.168.127.1", "127.0.0.1 ::1", 0},
		"another C library's": {"echo 'Unknown database' >&2; exit 1", "", "", 127},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for program, text := range map[string]string{"getent": c.getent, "sleep": "exit 0"} {
				if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("sh", "-c", resolveScript, "sh", "gateway.assay.internal", "20")
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, _ := cmd.Output()
			served, local := strings.Join(linesOf("served", string(out)), " "), strings.Join(linesOf("local", string(out)), " ")
			if cmd.ProcessState.ExitCode() != c.exit || served != c.served || local != c.local {
				t.Errorf("status %d, served %q, local %q\n%s", cmd.ProcessState.ExitCode(), served, local, out)
			}
		})
	}
}
