package base

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs a script with the programs of a folder in front of the system's, in
// every shell that there is of those that images have; they must agree. (busybox's
// would run its own programs.) Of
// replaced, each first path is read as the second.
func shell(t *testing.T, script, programs string, replaced []string, args ...string) string {
	t.Helper()
	script = strings.NewReplacer(replaced...).Replace(script)
	var said []string
	for _, sh := range [][]string{{"dash"}, {"bash"}} {
		at, err := exec.LookPath(sh[0])
		if err != nil {
			continue
		}
		cmd := exec.Command(at, append(append(sh[1:], "-c", script, "sh"), args...)...)
		cmd.Env = []string{"PATH=" + programs + ":/usr/sbin:/usr/bin:/bin", "TMPDIR=" + t.TempDir()}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v: %q", sh[0], err, out)
		}
		said = append(said, string(out))
		if said[0] != string(out) {
			t.Errorf("%s says %q, the first shell %q", sh[0], out, said[0])
		}
	}
	if len(said) == 0 {
		t.Fatal("there is no shell")
	}
	return said[0]
}

// program writes a shell script that stands for a program.
func program(t *testing.T, dir, name, script string) { put(t, dir, name, "#!/bin/sh\n"+script) }

// put writes a file, which can be run, below a folder.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
