package base

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// labelled makes labelScript ask names for labels, as it cannot be asked where
// SELinux does not run.
func labelled(root, script string) string {
	script = regexp.MustCompile(`-context '[*]:([a-z_]*)(:[*])?'`).ReplaceAllString(within(root, script, "etc", "var", "boot", "sysroot"), "-name '$1*'")
	return strings.NewReplacer("-context '*'", "-name '*'", "%Z", "x").Replace(script)
}

// TestLabelScript has files and folders named for their labels.
func TestLabelScript(t *testing.T) {
	root := t.TempDir()
	want := []string{"/boot/unlabeled_t", "/boot/default_t", "/etc/unlabeled_t", "/etc/default_t/", "/sysroot/unlabeled_t.aleph", "/sysroot/ostree/deploy/os/deploy/0123.0/unlabeled_t/",
		"/sysroot/ostree/deploy/os/deploy/unlabeled_t.0.origin", "/sysroot/ostree/repo/unlabeled_t", "/var/lib/unlabeled_t/", "/var/lib/default_t"}
	for _, f := range append(slices.Clone(want), "/etc/etc_t", "/var/lib/containers/unlabeled_t", "/var/lib/docker/unlabeled_t", "/boot/lost+found/unlabeled_t", "/sysroot/lost+found/unlabeled_t",
		"/sysroot/default_t/", "/sysroot/default_t.aleph", "/sysroot/state/deploy/default_t/", "/sysroot/ostree/deploy/os/deploy/0123.0/mnt/default_t/",
		"/sysroot/ostree/repo/objects/ab/unlabeled_t.file", "/sysroot/ostree/deploy/os/var/unlabeled_t", "/sysroot/ostree/deploy/os/deploy/0123.0/etc/unlabeled_t",
		"/sysroot/ostree/deploy/os/deploy/0123.0/var/unlabeled_t/", "/sysroot/ostree/bootc/storage/unlabeled_t", "/sysroot/composefs/unlabeled_t", "/sysroot/state/os/default/var/unlabeled_t/") {
		if folder, ok := strings.CutSuffix(f, "/"); !ok {
			makeFile(t, root+f)
		} else if err := os.MkdirAll(root+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := runScript(t, "", labelled(root, labelScript))
	var got []string
	for l := range strings.Lines(out) {
		if f, ok := strings.CutPrefix(strings.TrimSpace(l), "unlabelled x "+root); ok {
			got = append(got, f)
		}
	}
	for i, f := range want {
		want[i] = strings.TrimSuffix(f, "/")
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q\n%s", got, want, out)
	}
	if !strings.HasSuffix(out, "\nended 0\n") {
		t.Errorf("it does not say how it ended:\n%s", out)
	}
}

// TestLabelScriptEnds tells how find ended, however much it found.
func TestLabelScriptEnds(t *testing.T) {
	const found = "unlabelled x /var/x\n"
	for find, want := range map[string]string{
		"echo 'find: unrecognized: -regextype' >&2; exit 1":                              "unable\n",
		"echo 'find: invalid predicate -context' >&2; exit 1":                            "unable\n",
		"[ $2 = -maxdepth ] || exit 1":                                                   "ended 1\n",
		"[ $2 = -maxdepth ] || { echo 'unlabelled x /var/x'; kill -9 $$; }":              found + "ended 137\n",
		"[ $2 = -maxdepth ] || for i in $(seq 150); do echo 'unlabelled x /var/x'; done": strings.Repeat(found, 100) + "ended 0\n",
	} {
		bin := fakeTools(t, map[string]string{"find": find, "ps": ""})
		if out := runScript(t, bin, labelScript); out != want {
			t.Errorf("%s: %q, want %q", find, out, want)
		}
	}
}

// fakeTools is a folder of shell scripts.
func fakeTools(t *testing.T, tools map[string]string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "bin")
	for name, body := range tools {
		makeFile(t, filepath.Join(bin, name))
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// runScript runs a script that finds the programs of bin first, if that is set.
func runScript(t *testing.T, bin, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh")
	if bin != "" {
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestRelabelScript(t *testing.T) {
	root := t.TempDir()
	makeFile(t, root+"/var/lib/containers/x")
	script := within(root, relabelScript, "etc", "var", "usr", "boot")
	asked := strings.ReplaceAll("-vnr -e R/var/lib/containers R/etc R/var R/usr R/boot\n", "R", root)
	for restorecon, want := range map[string]string{
		"echo \"$*\"":                   asked + "ended 0\n",
		"echo gone >&2; [ $# -lt 6 ]":   "ended 1\n",
		"[ $# -lt 6 ] || kill -9 $$":    "ended 137\n",
		"[ $# -lt 6 ] || seq 250; exit": strings.Join(numbers(200), "\n") + "\nended 0\n",
	} {
		if out := runScript(t, fakeTools(t, map[string]string{"restorecon": restorecon}), script); out != want {
			t.Errorf("%s: %q, want %q", restorecon, out, want)
		}
	}
	for restorecon, want := range map[string]int{
		"echo \"restorecon: invalid option -- 'e'\" >&2; exit 255":              127,
		"echo 'Usage: restorecon [-iFnRv] [-e EXCLUDEDIR]... FILE' >&2; exit 1": 127,
		"echo 'file_contexts: Invalid argument' >&2; exit 255":                  1,
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh")
		cmd.Env = append(os.Environ(), "PATH="+fakeTools(t, map[string]string{"restorecon": restorecon})+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != want || len(out) == 0 {
			t.Errorf("%s: %q, %v, want exit %d and its words", restorecon, out, err, want)
		}
	}
}

// numbers are 1 to n.
func TestSELinuxScript(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "getenforce", "echo Disabled\n")
	roots := []string{"/usr/etc/", dir + "/usr/etc/", "/etc/", dir + "/etc/", "exit 127", "{ echo none; exit 0; }", "/proc/cmdline", "/dev/null"}
	for _, step := range []struct{ file, text, want string }{
		{"etc/selinux/semanage.conf", "x", "none\n"},
		{"usr/etc/selinux/targeted/policy/policy.33", "x", "noconfig=1\nmode=Disabled\n"},
		{"etc/selinux/config", "# c\nSELINUX=enforcing\n", "mode=Disabled\nconfigured=enforcing\n"},
	} {
		put(t, dir, step.file, step.text)
		if out := shell(t, selinuxScript, dir, roots); out != step.want {
			t.Errorf("with %s: %q, want %q", step.file, out, step.want)
		}
	}
}

func numbers(n int) (out []string) {
	for i := range n {
		out = append(out, strconv.Itoa(i+1))
	}
	return out
}
