package guest_test

import (
	"strings"
	"testing"

	"assay/harness/guest"
)

func TestCommandErrorShowsNoWholeScript(t *testing.T) {
	e := &guest.CommandError{Args: []string{"sh", "-c", strings.Repeat("é", 500)}, Result: guest.Result{Exit: 127}}
	if s := e.Error(); len(s) > 300 || !strings.Contains(s, "...") || !strings.Contains(s, `"sh" "-c"`) {
		t.Errorf("%d bytes: %s", len(s), s)
	}
	if got := guest.Shortened([]string{"systemctl", "status"}); got[0] != "systemctl" || got[1] != "status" {
		t.Errorf("%q", got)
	}
}
