package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIdentityScript runs the script over files of the test that end
// without a line break.
func TestIdentityScript(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"/etc/machine-id": "0123", "/etc/ssh/ssh_host_ed25519_key": "x", "/etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA c",
		"/etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa BBBB", "/var/lib/systemd/random-seed": "",
		"/proc/boot_id": "b00t\n", // the kernel's own files always end well
	} {
		if err := os.MkdirAll(filepath.Dir(dir+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tools := filepath.Join(dir, "bin")
	if err := os.Mkdir(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"findmnt": `[ "$3" = /sysroot ] && echo '/dev/vda4[/ostree]'`,
		"lsblk":   `case "$*" in "-no PKNAME /dev/vda4") echo vda;; "-dno PTUUID /dev/vda") echo 1234-5678;; *) exit 1;; esac`,
	} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.NewReplacer("/etc/", dir+"/etc/", "/var/", dir+"/var/", "/proc/sys/kernel/random/boot_id", dir+"/proc/boot_id").Replace(identityScript)
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = []string{"PATH=" + tools + ":/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	id := parseIdentity(string(out), "ssh-ed25519 AAAA")
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if id.MachineID != "0123" || id.BootID != "b00t" || strings.Join(id.HostKeys, ",") != "ssh-rsa BBBB" || id.PTUUID != "1234-5678" || id.RandomSeed != empty {
		t.Errorf("%+v from\n%s", id, out)
	}
}
