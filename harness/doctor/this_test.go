package doctor

import (
	"context"
	"os"
	"testing"

	"assay/harness/accel"
)

// TestThisHost examines the host the tests run on: whatever it is, the report
// is complete and says something about everything.
func TestThisHost(t *testing.T) {
	h := ThisHost()
	h.Accel = func(context.Context) (accel.Kind, string, error) { return accel.TCG, "not asked", nil } // the probe takes seconds
	o := Options{Cache: t.TempDir(), URI: "qemu:///system", MemoryMiB: 2048}
	r := Examine(t.Context(), o, h)
	if len(r.Checks) < 8 {
		t.Errorf("only %d checks", len(r.Checks))
	}
	for _, c := range r.Checks {
		if c.Found == "" || c.Status != OK && c.Status != Warn && c.Status != Fail {
			t.Errorf("%+v", c)
		}
	}
	if testing.Verbose() {
		_ = r.Text(os.Stderr)
	}
}
