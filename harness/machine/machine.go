// Package machine runs guests over libvirt: boot, save, fork, reset, destroy.
package machine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"assay/artifact"
	"assay/harness/accel"
	"assay/harness/network"
)

// Config says which libvirt to use and where this run keeps its files.
type Config struct {
	// URI is libvirt's; "" is qemu:///system for root, qemu:///session otherwise.
	URI string
	// RunID marks what this run owns.
	RunID string
	// Dir is the run's scratch folder.
	Dir string
	// Accel is what executes the guests' instructions.
	Accel accel.Kind
	// Log gets one line per change of state.
	Log *slog.Logger
}

// Host is one libvirt, used by one run.
type Host struct{}

// Connect connects.
func Connect(ctx context.Context, cfg Config) (*Host, error) {
	return nil, errors.New("not implemented")
}

// Close ends the connections. Guests that were booted, not forked, die with it.
func (h *Host) Close() error { return nil }

// Versions are libvirt's and QEMU's.
func (h *Host) Versions(ctx context.Context) (libvirt, qemu string, err error) {
	return "", "", errors.New("not implemented")
}

// DirectBoot starts a kernel without firmware's help.
type DirectBoot struct{ Kernel, Initrd, Cmdline string }

// Spec is one guest to boot.
type Spec struct {
	Name      string
	Arch      artifact.Arch
	Firmware  artifact.Firmware
	MemoryMiB int
	CPUs      int
	// Disk is the overlay; DiskFormat its format. "" is no disk.
	Disk       string
	DiskFormat artifact.Format
	// Seed is an ISO for the optical drive, "" for none.
	Seed string
	// Direct, when set, starts a kernel instead of a boot loader.
	Direct *DirectBoot
	// Console gets every byte of the serial port as it arrives.
	Console io.Writer
	// Listen starts services on the guest's network before it boots.
	Listen func(*network.Network) error
}

// ForkSpec is what differs between forks.
type ForkSpec struct {
	Name    string
	Disk    string
	Console io.Writer
	Listen  func(*network.Network) error
}

// Saved is a guest's state in files.
type Saved struct{}

// ErrForkUnavailable means that forks cannot be had on this host or of this
// saved state; a fresh boot can take their place.
var ErrForkUnavailable = errors.New("no fork can be made")

// Boot boots a guest.
func (h *Host) Boot(ctx context.Context, s Spec) (*Machine, error) {
	return nil, errors.New("not implemented")
}

// Fork restores a copy of a saved guest.
func (h *Host) Fork(ctx context.Context, s *Saved, f ForkSpec) (*Machine, error) {
	return nil, errors.New("not implemented")
}

// Machine is one running guest.
type Machine struct{}

func (m *Machine) Name() string              { return "" }
func (m *Machine) UUID() string              { return "" }
func (m *Machine) Network() *network.Network { return nil }

// Save writes the guest's state to path; the machine is gone afterwards.
func (m *Machine) Save(ctx context.Context, path string) (*Saved, error) {
	return nil, errors.New("not implemented")
}
func (m *Machine) Reset(ctx context.Context) error       { return errors.New("not implemented") }
func (m *Machine) PowerButton(ctx context.Context) error { return errors.New("not implemented") }

// Destroy ends the guest; idempotent.
func (m *Machine) Destroy(ctx context.Context) error { return errors.New("not implemented") }
func (m *Machine) CPUTime(ctx context.Context) (time.Duration, error) {
	return 0, errors.New("not implemented")
}

// Gone is closed when the guest has ended; End then says how.
func (m *Machine) Gone() <-chan struct{} { return nil }
func (m *Machine) End() End              { return End{} }

// EndKind is how a guest ended.
type EndKind string

// The ways a guest ends.
const (
	EndShutdown  EndKind = "shutdown"  // the guest powered itself off
	EndCrashed   EndKind = "crashed"   // the guest reported a panic to its device
	EndDestroyed EndKind = "destroyed" // by us
	EndSaved     EndKind = "saved"     // by Save
	EndFailed    EndKind = "failed"    // the emulator died
)

// End is how a guest ended.
type End struct {
	Kind   EndKind
	Detail string
}

// Owned is a domain that carries Assay's owner mark.
type Owned struct{ RunID, Name, UUID string }

// ListOwned lists every domain with an owner mark, whichever run's.
func ListOwned(ctx context.Context, uri string) ([]Owned, error) {
	return nil, errors.New("not implemented")
}

// DestroyOwned destroys every domain of that run.
func DestroyOwned(ctx context.Context, uri, runID string) (n int, err error) {
	return 0, errors.New("not implemented")
}
