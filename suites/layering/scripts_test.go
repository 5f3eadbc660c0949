package layering

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs a script here, with programs of the test's own before all others.
func shell(t *testing.T, script string, programs map[string]string, args ...string) (string, error) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestLeafScript(t *testing.T) {
	// nano is needed by nano-editor, strace by nobody.
	rpm := `case "$*" in
"-q nano"|"-q strace") echo "$2-1-1.noarch" ;;
*--whatrequires*nano-cap) echo nano; echo nano-editor ;;
*--whatrequires*) echo "no package requires $5"; exit 1 ;;
"-q --queryformat"*nano) echo nano-cap ;;
"-q --queryformat"*strace) echo strace; echo 'strace(x86-64)' ;;
*) echo "package $2 is not installed"; exit 1 ;;
esac`
	out, err := shell(t, leafScript, map[string]string{"rpm": rpm}, "tree", "nano", "strace")
	if err != nil || out != "strace\n" {
		t.Errorf("%q, %v; want strace", out, err)
	}
	if out, err := shell(t, leafScript, map[string]string{"rpm": rpm}, "tree", "nano"); err != nil || out != "" {
		t.Errorf("%q, %v; want nothing", out, err)
	}
}

func TestInBaseScript(t *testing.T) {
	for want, rpm := range map[string]string{
		"bash\n": `exit 0`,
		"zlib\n": `case "$*" in "-q bash") exit 1 ;; *) echo gpg-pubkey; echo zlib; echo zstd ;; esac`,
		"":       `exit 1`,
	} {
		if out, err := shell(t, inBaseScript, map[string]string{"rpm": rpm}); err != nil || out != want {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
	}
}

func TestLiveScript(t *testing.T) {
	for want, tool := range map[string]string{
		"apply-live\n":                `[ "$1" = --help ] && echo "  apply-live       Apply pending deployment changes"`,
		"ex livefs --i-like-danger\n": `case "$*" in --help) ;; "ex --help") echo "  livefs    Apply" ;; *) echo "  --i-like-danger" ;; esac`,
		"ex livefs\n":                 `[ "$*" = "ex --help" ] && echo "  livefs    Apply"`,
		"":                            `echo "  install     Overlay additional packages"`,
	} {
		if out, err := shell(t, liveScript, map[string]string{"rpm-ostree": tool}); err != nil || out != want {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
	}
}

func TestBootScript(t *testing.T) {
	for line, want := range map[string]string{
		"BOOT_IMAGE=/x root=UUID=1 ostree=/ostree/boot.1/fedora/0123abcd/0 rw": "0123abcd\n",
		"ostree=/ostree/boot.0.1/debian/ffee/1":                                "ffee\n",
		"root=/dev/sda1 ro":                                                    "",
	} {
		file := filepath.Join(t.TempDir(), "cmdline")
		if err := os.WriteFile(file, []byte(line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := shell(t, strings.ReplaceAll(bootScript, "/proc/cmdline", file), nil); err != nil || out != want {
			t.Errorf("%s: %q, %v; want %q", line, out, err, want)
		}
	}
}

func TestContentScript(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "boot/ostree/os-ab12")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "initramfs-6.1.img"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(contentScript, "/boot/", root+"/boot/")
	lists := func(path string) map[string]string {
		return map[string]string{"lsinitrd": "echo '-rwxr-xr-x 1 root root 1 Jan 1 1970 " + path + "'"}
	}
	for _, c := range []struct {
		sum, path string
		want      int
	}{{"ab12", "usr/bin/env", 0}, {"ab12", "usr/bin/envsubst", 1}, {"cd34", "usr/bin/env", 127}, {"", "usr/bin/env", 127}} {
		_, err := shell(t, script, lists(c.path), c.sum, "usr/bin/env")
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%+v: exit %d", c, got)
		}
	}
}

func TestFetchScript(t *testing.T) {
	to := filepath.Join(t.TempDir(), "made/hello.rpm")
	curl := map[string]string{"curl": `[ "$*" = "-sSf -o ` + to + ` http://gw/hello.rpm" ] && echo package >"$3"`}
	if out, err := shell(t, fetchScript, curl, "http://gw/hello.rpm", to); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "package\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := shell(t, fetchScript, map[string]string{"curl": "exit 22"}, "http://gw/none.rpm", to); err == nil {
		t.Error("a package that is not served was fetched")
	}
}
