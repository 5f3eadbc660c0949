package usercheck

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// here runs one of the guest's scripts on this machine, in a folder of the test.
func here(t *testing.T, stdin []byte, script string, args ...string) (out string, status int, killed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	b, err := cmd.Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode(), cmd.ProcessState.ExitCode() == -1
}

// TestScripts copies a real check, runs it, and has it ask for a reboot.
func TestScripts(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	text := "#!/bin/sh\n# assay:\n#   title: t\n" + `
cat data/common && [ -w tmp ] && [ -d "$HOME" ] && command -v autopkgtest-reboot >/dev/null && echo ready
[ -e ask.txt ] && echo too much
echo to stderr >&2
autopkgtest-reboot
"$LINKS/autopkgtest-reboot-prepare" "on my own"
"$LINKS/autopkgtest-reboot" "half way"
echo not reached
`
	all, err := Find([]string{folder(t, map[string]string{"ask*": text, "data/common": "data\n", "ask.d/x": "", "ask.txt": "beside, and not copied\n"})})
	if err != nil {
		t.Fatal(err)
	}
	c := all[0]
	if err := c.Pack(filepath.Join(t.TempDir(), "b")); err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(c.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	dir, links := filepath.Join(t.TempDir(), "check's folder"), t.TempDir()
	t.Setenv("LINKS", links)
	for range 2 { // a second time over the first
		if out, status, _ := here(t, bundle, placeScript, dir, me.Username); status != 0 {
			t.Fatalf("place: %d %s", status, out)
		}
		if out, status, _ := here(t, nil, beginScript, dir, links); status != 0 {
			t.Fatalf("begin: %d %s", status, out)
		}
		out, _, killed := here(t, nil, startScript, dir, "ask")
		if !killed {
			t.Error("asking for a reboot does not end the check")
		}
		if !strings.HasPrefix(out, "data\nready\nto stderr\n") || !strings.Contains(out, "to stderr\nusage: ") || strings.Contains(out, "not reached") {
			t.Errorf("the check printed %q", out)
		}
		for file, want := range map[string]string{markFile: "half way", preparedFile: "on my own"} {
			if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(b) != want {
				t.Errorf("%s holds %q, %v", file, b, err)
			}
		}
	}
	if _, status, _ := here(t, []byte("no archive"), placeScript, dir, me.Username); status != 1 {
		t.Errorf("a broken archive ends with %d", status)
	}
	if _, status, _ := here(t, bundle, "PATH=/nowhere\n"+placeScript, dir, me.Username); status != noTar {
		t.Errorf("no tar ends with %d", status)
	}
	if _, status, _ := here(t, nil, startScript, dir+"-gone", "ask"); status != noStart {
		t.Errorf("a folder that is not there ends with %d", status)
	}
	out, status, _ := here(t, nil, needsScript, "command", "sh", "command", "no-such-program", "file", dir, "file", "/no/such", "user", me.Username, "user", "nobody-at-all", "package", "no-such-package")
	if want := "command no-such-program\nfile /no/such\nuser nobody-at-all\npackage no-such-package\n"; status != 0 || out != want {
		t.Errorf("needs: %d, %q, want %q", status, out, want)
	}
}
