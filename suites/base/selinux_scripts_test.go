package base

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// within puts a script's absolute folders below root.
func within(root, script string, folders ...string) string {
	return regexp.MustCompile(`([ '])/(\(|`+strings.Join(folders, "|")+`)`).ReplaceAllString(script, "${1}"+root+"/${2}")
}

func makeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLabelScript finds files of any label: what is left out is left out by its
// path.
func TestLabelScript(t *testing.T) {
	root := t.TempDir()
	want := []string{"/boot/x", "/etc/x", "/sysroot/.aleph", "/sysroot/ostree/deploy/os/deploy/0123.0/usr/x", "/sysroot/ostree/deploy/os/deploy/0123.0.origin",
		"/sysroot/ostree/repo/config", "/var/lib/x"}
	for _, f := range append(slices.Clone(want), "/var/lib/containers/x", "/var/lib/docker/x", "/boot/lost+found/x", "/sysroot/lost+found/x",
		"/sysroot/ostree/repo/objects/ab/cd.file", "/sysroot/ostree/deploy/os/var/x", "/sysroot/ostree/deploy/os/deploy/0123.0/etc/x",
		"/sysroot/ostree/deploy/os/deploy/0123.0/var/mnt/x", "/sysroot/ostree/bootc/storage/x", "/sysroot/composefs/x", "/sysroot/state/os/default/var/x") {
		makeFile(t, root+f)
	}
	script := within(root, labelScript, "etc", "var", "boot", "sysroot")
	script = regexp.MustCompile(`-context '[^']*'`).ReplaceAllString(script, "-type f")
	script = strings.NewReplacer("%Z", "x", " 2>/dev/null", "").Replace(script)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []string
	for l := range strings.Lines(string(out)) {
		if f, ok := strings.CutPrefix(strings.TrimSpace(l), "unlabelled x "+root); ok {
			got = append(got, f)
		}
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q\n%s", got, want, out)
	}
}

func TestRelabelScript(t *testing.T) {
	root := t.TempDir()
	tool := filepath.Join(root, "bin/restorecon")
	makeFile(t, tool)
	makeFile(t, root+"/var/lib/containers/x")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho \"$*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tool, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", within(root, relabelScript, "etc", "var", "usr", "boot"), "sh")
	cmd.Env = append(os.Environ(), "PATH="+root+"/bin:"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if want := strings.ReplaceAll("-vnr -e R/var/lib/containers R/etc R/var R/usr R/boot\n", "R", root); err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q", out, err, want)
	}
}
