package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runScript runs a script of ours in this machine's shell, with programs of
// the test's own before all others and paths moved into a folder of the test.
func runScript(t *testing.T, script, root string, programs map[string]string, args ...string) (string, int) {
	t.Helper()
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, real := range []string{"grep", "sed", "cat", "ls", "sort", "sh", "cp", "rm", "mv", "sync", "touch", "mkdir"} {
		path, err := exec.LookPath(real)
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Symlink(path, filepath.Join(bin, real)) // there from an earlier run, perhaps
	}
	for name, body := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/run/ostree-booted", "/usr/lib/systemd/system-generators", "/boot/loader", "/sysroot/"} {
		script = strings.ReplaceAll(script, path, root+path)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Env = []string{"PATH=" + bin}
	out, err := cmd.Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func touch(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestDetectScript(t *testing.T) {
	for _, c := range []struct {
		name, programs, want string
		booted, generator    bool
		bootcSays            string
	}{
		{"criteria's own host", "rpm-ostree atomic ostree runc docker", "rpm-ostree,atomic host,ostree admin,atomic", true, false, ""},
		{"bootc", "bootc ostree podman crun", "bootc,ostree admin,quadlet", true, true, ""},
		{"podman without Quadlet", "ostree podman", "ostree admin", true, false, ""},
		{"programs without deployments", "rpm-ostree ostree bootc", "", false, false, `{"status":{"booted":null}}`},
		{"composefs", "bootc", "bootc", false, false, `{"composefs":{"verity":"ab"}}`},
		{"atomic without rpm-ostree", "atomic ostree crun", "ostree admin,atomic", true, false, ""},
		{"atomic without a runtime", "atomic ostree", "ostree admin", true, false, ""},
		{"nothing", "", "", false, false, ""},
	} {
		root := t.TempDir()
		programs := map[string]string{}
		for _, p := range strings.Fields(c.programs) {
			programs[p] = "cat <<'END'\n" + c.bootcSays + "\nEND"
		}
		if c.booted {
			touch(t, root+"/run/ostree-booted", "", 0o644)
		}
		if c.generator {
			touch(t, root+"/usr/lib/systemd/system-generators/podman-system-generator", "", 0o755)
		}
		out, exit := runScript(t, detectScript, root, programs)
		if got := strings.ReplaceAll(strings.TrimSpace(out), "\n", ","); got != c.want || exit != 0 {
			t.Errorf("%s: %q, exit %d; want %q", c.name, got, exit, c.want)
		}
	}
}

func TestOSTreeStatusScript(t *testing.T) {
	const old = `[ "$3" = --json ] && { echo "error: Unknown option --json" >&2; exit 1; }; echo "* text"`
	for _, c := range []struct {
		name, ostree, want string
		booted             bool
		exit               int
	}{
		{"new", `echo '{"deployments":[]}'`, `{"deployments":[]}`, true, 0},
		{"old", old, "* text", true, 0},
		{"broken", "exit 1", "", true, 1},
		{"not booted from it", old, "", false, noOSTree},
	} {
		root := t.TempDir()
		if c.booted {
			touch(t, root+"/run/ostree-booted", "", 0o644)
		}
		out, exit := runScript(t, ostreeStatusScript, root, map[string]string{"ostree": c.ostree})
		if strings.TrimSpace(out) != c.want || exit != c.exit {
			t.Errorf("%s: %q, exit %d", c.name, out, exit)
		}
	}
	root := t.TempDir()
	touch(t, root+"/run/ostree-booted", "", 0o644)
	if _, exit := runScript(t, ostreeStatusScript, root, nil); exit != 127 {
		t.Errorf("without ostree: exit %d", exit)
	}
}

func TestBootEntryScript(t *testing.T) {
	root := t.TempDir()
	if _, exit := runScript(t, bootEntryScript, root, nil); exit == 0 {
		t.Error("no boot entry is no failure")
	}
	for name, args := range map[string]string{"ostree-1.conf": "root=old", "ostree-2.conf": "root=now quiet", "ostree-10.conf": "root=next"} {
		touch(t, root+"/boot/loader/entries/"+name, "title x\noptions "+args+"\nlinux /x\n", 0o644)
	}
	if out, exit := runScript(t, bootEntryScript, root, nil); out != "root=next\n" || exit != 0 {
		t.Errorf("%q, exit %d", out, exit)
	}
}

func TestQuadletListScript(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "units")
	u := quadletFile{}
	if err := u.set(ContainerOptions{Name: "web", Image: "r.test/web:1"}); err != nil {
		t.Fatal(err)
	}
	touch(t, folder+"/web.container", u.text("web"), 0o644)
	touch(t, folder+"/web.container.before", u.text("web"), 0o644)
	systemctl := map[string]string{"systemctl": `echo LoadState=loaded; echo ActiveState=active; echo SubState=running`}
	out, exit := runScript(t, quadletList, root, systemctl, folder)
	all, err := parseQuadlets(out)
	if err != nil || exit != 0 || len(all) != 1 || all[0].Name != "web" || all[0].Image != "r.test/web:1" || !all[0].Running || all[0].State != "running" {
		t.Errorf("%+v, %v, exit %d", all, err, exit)
	}
	for _, none := range []string{folder + "/none", root + "/bin"} {
		if out, exit := runScript(t, quadletList, root, systemctl, none); out != "" || exit != 0 {
			t.Errorf("%s: %q, exit %d", none, out, exit)
		}
	}
}
