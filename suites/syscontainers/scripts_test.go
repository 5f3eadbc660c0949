package syscontainers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLeftScript(t *testing.T) {
	root := t.TempDir()
	script := leftScript
	for _, folder := range []string{"/etc/", "/var/"} {
		script = strings.ReplaceAll(script, `"`+folder, `"`+root+folder)
	}
	bin := filepath.Join(root, "bin")
	run := func(loaded, there string) string {
		t.Helper()
		for name, text := range map[string]string{"systemctl": "echo LoadState=" + loaded, "podman": there} {
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", "greeter")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.ReplaceAll(string(out), root, "")
	}
	if out := run("not-found", "exit 1"); out != "" {
		t.Errorf("of nothing %q is left", out)
	}
	for _, dir := range []string{"etc/containers/systemd", "var/lib/containers/atomic"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/containers/systemd/greeter.container"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// A link to a checkout that is gone is left, too.
	if err := os.Symlink("greeter.0", filepath.Join(root, "var/lib/containers/atomic/greeter")); err != nil {
		t.Fatal(err)
	}
	want := "unit greeter.service\n/etc/containers/systemd/greeter.container\n/var/lib/containers/atomic/greeter\ncontainer greeter of podman\ncontainer systemd-greeter of podman\n"
	if out := run("loaded", "exit 0"); out != want {
		t.Errorf("%q, want %q", out, want)
	}
}
