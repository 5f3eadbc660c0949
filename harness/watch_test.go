package harness

import (
	"fmt"
	"strings"
	"testing"

	"assay/harness/machine"
)

// A guest that QEMU paused during a check or a reboot is not the image's failure.
func TestPausedGuestIsTheHosts(t *testing.T) {
	died := &guestDied{end: pausedEnd(fmt.Errorf("cannot read the processor time of guest fork-1: %w", machine.ErrPaused)), said: true}
	if died.isImage() {
		t.Error("the image is blamed for a guest that QEMU paused")
	}
	if !strings.Contains(died.Error(), "disk full or broken") {
		t.Errorf("nobody learns what to look at: %v", died)
	}
}
