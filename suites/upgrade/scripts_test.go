package upgrade

import (
	"os/exec"
	"testing"

	"assay/suites/deployments"
)

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{fillScript, reserveScript, setBackScript, makeConflictScript, checkConflictScript, writeOverlay, lookOverlayScript, bootLoaderScript, remoteScript, folderScript, softRebootScript, deployments.SystemScript} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, s)
		}
	}
}
