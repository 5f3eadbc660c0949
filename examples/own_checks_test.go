package examples

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/usercheck"
)

// TestOwnChecks reads the example checks as a run does.
func TestOwnChecks(t *testing.T) {
	all, err := usercheck.Find([]string{"own-checks"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range all {
		ids = append(ids, string(c.ID()))
		path := filepath.Join(c.Folder, c.File)
		if strings.HasSuffix(path, ".sh") {
			if out, err := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s: %v %s", path, err, out)
			}
		}
	}
	if want := "user/survives-reboot user/user-limits user-s4/registry"; strings.Join(ids, " ") != want {
		t.Errorf("found %q, want %q", ids, want)
	}
}
