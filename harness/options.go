package harness

import (
	"log/slog"
	"time"

	"assay/artifact"
	"assay/cloudinit"
	"assay/reports"
)

// Options say how one image is judged. The zero value of a field is its default.
type Options struct {
	// Image is the file to judge.
	Image string
	Selection
	// Results is the folder to write, made when missing; required.
	Results string
	// Cache is the root of bases, runs and remembered facts; see DefaultCache.
	Cache string
	// URI is libvirt's; empty is qemu:///system for root, qemu:///session else.
	URI string
	// Firmware overrides what the image's partitions say.
	Firmware artifact.Firmware
	// SeedFormat is how guests get their seed; empty is a NoCloud ISO.
	SeedFormat cloudinit.Format
	// MemoryMiB and CPUs are each guest's; 0 is DefaultMemoryMiB, DefaultCPUs.
	MemoryMiB, CPUs int
	// Parallel bounds the guests that run at once; 0 is what the host holds.
	Parallel int
	// Repeat runs every check that many times; a check that fails once failed.
	Repeat int
	// Retries is how often a check that the infrastructure spoiled is tried
	// again, on a fresh guest; negative is never, 0 is DefaultRetries.
	Retries int
	// NoFork boots a guest for every job.
	NoFork bool
	// UpdateRepo is an ostree repository (archive mode) with a newer tree,
	// served to guests; UpdateRef is its ref. Needed by checks that start upgraded.
	UpdateRepo, UpdateRef string
	// UpdateImage is an OCI layout with versions of the tree as container images,
	// oldest first, for hosts that follow images.
	UpdateImage string
	// Hold is called with each guest in which a check failed, before it is
	// destroyed: for a shell in it.
	Hold func(Held)
	// Keep is called with the first guest in which a check failed, once the
	// verdict is written; the guest is there until Keep returns. Not with Hold.
	Keep func(*reports.Run, Held)
	// Exe and ChildArgs start a suite child; empty is this program with
	// "suite-child".
	Exe       string
	ChildArgs []string
	// KeeperArgs make Exe the keeper; empty is "keeper".
	KeeperArgs []string
	// Progress gets every change of state, from several goroutines at once.
	Progress func(Progress)
	// Log gets what only a developer of Assay wants to know; nil is silence.
	Log *slog.Logger
	// Command is the command line, for the report.
	Command []string
	// Version is the program's, for the report.
	Version string
	// KnownFile is the known-failure file, empty for none.
	KnownFile string
	// Stream is the release stream the image belongs to, for the scope of known failures.
	Stream string
	// MaxImageSize bounds the decompressed image, in bytes; 0 is the disk package's default.
	MaxImageSize int64
}

// Defaults of Options.
const (
	// DefaultMemoryMiB runs an ostree host with a few containers.
	DefaultMemoryMiB = 2048
	DefaultCPUs      = 2
	DefaultRetries   = 2
	// diskGrowth is how much larger than the image the guest's disk is, so
	// that growing the file system can be seen. Overlays are sparse.
	diskGrowth = 4 << 30
)

// Progress is one change of state, for people who watch.
type Progress struct {
	Time time.Time
	// Stage is "image", "wait", "boot", "save", "fork", "suite", "check", "retry" or "note".
	Stage string
	// Name is what the stage is about: a guest, a job, a check.
	Name string
	// Done is false when it begins.
	Done bool
	// OK tells how it ended, when Done.
	OK bool
	// Text is one line for people.
	Text string
	// Checks and Total count finished checks of the whole plan.
	Checks, Total int
}

// Held is a guest that a person may enter.
type Held struct {
	Guest string
	// Failed are the checks that failed in it.
	Failed []string
	// Socket is the guest's relay; `assay dial SOCKET PORT` speaks to it.
	Socket string
	// User may log in with the private key in KeyFile; the host key is in KnownHosts.
	User, KeyFile, KnownHosts string
}

// ImageError means that the image does not boot, by its own fault.
type ImageError struct{ Err error }

func (e *ImageError) Error() string { return "the image does not boot: " + e.Err.Error() }
func (e *ImageError) Unwrap() error { return e.Err }

// LeftoverError means that something of a run is still there after its end.
type LeftoverError struct{ Err error }

func (e *LeftoverError) Error() string { return "cannot clean up completely: " + e.Err.Error() }
func (e *LeftoverError) Unwrap() error { return e.Err }

// InfraError means that the host could not do its part: nothing is said about
// the image.
type InfraError struct{ Err error }

func (e *InfraError) Error() string { return e.Err.Error() }
func (e *InfraError) Unwrap() error { return e.Err }
