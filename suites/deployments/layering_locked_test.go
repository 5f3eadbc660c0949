package deployments

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/suites/check"
)

func TestMayLayer(t *testing.T) {
	for text, locked := range map[string]bool{
		"": false, "[Daemon]\nLockLayering=true\n": true, "[Daemon]\nLockLayering = 1\n": true, "[Daemon]\n#LockLayering=true\n": false,
		"[Daemon]\nLockLayering=false\n": false, "[Daemon]\nLockLayering=yes\n": false, "[Daemon]\nLockLayering=true\nLockLayering=false\n": false,
	} {
		file := filepath.Join(t.TempDir(), "rpm-ostreed.conf")
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("sh", "-c", strings.ReplaceAll(LockScript, "/etc/rpm-ostreed.conf", file)).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v: %s", text, err, out)
		}
		g := guesttest.New(t)
		g.On("sh", "-c", LockScript, "sh").Prints(string(out))
		err = MayLayer(t.Context(), g)
		if j := check.Classify(err); (err != nil) != locked || locked && !j.Inapplicable {
			t.Errorf("%q: %v", text, err)
		}
	}
}
