package machine

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"assay/harness/emulator/emulatortest"
)

// TestDestroyWithoutLibvirt: guests end although nobody answers for libvirt, in
// both of its modes; those of another run do not.
func TestDestroyWithoutLibvirt(t *testing.T) {
	nobody := filepath.Join(t.TempDir(), "socket")
	for _, c := range []struct {
		uri   string
		fails bool // a system daemon has to be there, one of a session need not
	}{{"qemu:///system?socket=" + nobody, true}, {"qemu:///session?socket=" + nobody, false}} {
		run := "test" + rand.Text()
		mine, other := emulatortest.Likeness(t, run+"-boot-1"), emulatortest.Likeness(t, run+"x-boot-1")
		n, err := DestroyOwned(t.Context(), c.uri, run)
		if n != 1 || (err != nil) != c.fails {
			t.Errorf("%s: destroyed %d, %v", c.uri, n, err)
		}
		emulatortest.WantKilled(t, mine)
		emulatortest.WantAlive(t, other)
	}
}
