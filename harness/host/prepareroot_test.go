package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrepareRoot(t *testing.T) {
	const plain = "root=UUID=1 ostree=/ostree/boot.1/os/0/0 quiet\n"
	for name, c := range map[string]struct {
		usr, etc, args string // what the files hold; empty for no file
		want           PrepareRoot
	}{
		"no file":               {"", "", plain, PrepareRoot{}},
		"composefs":             {"[composefs]\nenabled = yes\n", "", plain, PrepareRoot{}},
		"signed":                {"[composefs]\nenabled = signed\n[sysroot]\nreadonly=true\n", "", plain, PrepareRoot{Signed: true}},
		"signed by an argument": {"", "", "quiet ostree.prepare-root.composefs=signed", PrepareRoot{Signed: true}},
		"not signed after all":  {"[composefs]\nenabled=signed\n", "", "ostree.prepare-root.composefs=0\n", PrepareRoot{}},
		"transient":             {"# [etc]\n[root]\ntransient=true\n\n[etc]\n transient = 1\n", "", plain, PrepareRoot{RootTransient: true, EtcTransient: true}},
		"written elsewhere":     {"[root]\ntransient-ro=true\n[var]\ntransient=true\n#transient=true\n", "", plain, PrepareRoot{}},
		"no boolean":            {"[etc]\ntransient=yes\n", "", plain, PrepareRoot{}},
		"/etc replaces":         {"[composefs]\nenabled=signed\n[etc]\ntransient=true\n", "[root]\ntransient=true", plain, PrepareRoot{RootTransient: true}},
	} {
		root := t.TempDir()
		for path, text := range map[string]string{"/usr/lib/ostree/prepare-root.conf": c.usr, "/etc/ostree/prepare-root.conf": c.etc, "/proc/cmdline": c.args} {
			if text == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		script := strings.NewReplacer(" /etc/", " "+root+"/etc/", " /usr/", " "+root+"/usr/", " /proc/", " "+root+"/proc/").Replace(prepareRootScript)
		out, err := exec.Command("sh", "-c", script).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if got := parsePrepareRoot(string(out)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
