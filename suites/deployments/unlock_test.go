package deployments

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsrScript(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mounts")
	if err := os.WriteFile(file, []byte("/dev/vda4 / xfs rw 0 0\n/dev/vda4 /usr xfs ro 0 0\noverlay /usr overlay rw 0 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", strings.ReplaceAll(UsrScript, "/proc/mounts", file)).CombinedOutput()
	if err != nil || string(out) != "overlay\n" {
		t.Errorf("%q, %v", out, err)
	}
}
