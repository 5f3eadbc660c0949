package machine

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"assay/artifact"
	"assay/harness/network"
)

// Spec is one guest to boot. Paths are absolute.
type Spec struct {
	// Name is unique among the run's guests: letters, digits, "-", "_", ".".
	Name     string
	Arch     artifact.Arch
	Firmware artifact.Firmware
	// MemoryMiB and CPUs are what the guest sees.
	MemoryMiB, CPUs int
	// KeepCX16 offers the guest the instruction cmpxchg16b even where QEMU
	// emulates it wrongly (before 8.0). Systems built for x86-64-v2 and later
	// (Enterprise Linux 9) refuse to run without; others are better off.
	KeepCX16 bool
	// Disk is the guest's own overlay, "" for no disk. It is written without
	// regard to a crash of the host.
	Disk       string
	DiskFormat artifact.Format
	// Seed is an ISO for the optical drive, "" for none.
	Seed string
	// Direct, when set, starts a kernel without a boot loader.
	Direct *DirectBoot
	// Console gets every byte of the serial port as it arrives, from one
	// goroutine. A Write that blocks stalls the guest; one that fails ends the
	// copying, not the guest. nil drops the bytes.
	Console io.Writer
	// Listen, when set, starts services on the guest's network before it boots.
	Listen func(*network.Network) error
}

// DirectBoot names a kernel, its initramfs ("" for none) and command line.
type DirectBoot struct{ Kernel, Initrd, Cmdline string }

// ForkSpec is what differs between the forks of one saved guest. Name, Console
// and Listen are as in Spec.
type ForkSpec struct {
	Name string
	// Disk is an overlay of this fork's own on the saved guest's disk, in the
	// format of the saved guest's; "" when that has none.
	Disk    string
	Console io.Writer
	Listen  func(*network.Network) error
}

func (s Spec) check() error {
	if err := checkName("a guest's name", s.Name); err != nil {
		return err
	}
	switch s.Arch {
	case artifact.X8664:
	case artifact.AArch64:
		if s.Firmware == artifact.BIOS && s.Direct == nil {
			return errors.New("cannot boot aarch64 with BIOS: it has UEFI only")
		}
	default:
		return fmt.Errorf("cannot boot architecture %q: the harness knows x86_64 and aarch64", s.Arch)
	}
	if s.Firmware != artifact.UEFI && s.Firmware != artifact.BIOS && s.Direct == nil {
		return fmt.Errorf("cannot boot with firmware %q: want %q or %q", s.Firmware, artifact.UEFI, artifact.BIOS)
	}
	if s.MemoryMiB < 16 || s.CPUs < 1 {
		return fmt.Errorf("cannot boot a guest with %d MiB and %d CPUs", s.MemoryMiB, s.CPUs)
	}
	if s.Disk != "" && s.DiskFormat != artifact.QCOW2 && s.DiskFormat != artifact.Raw {
		return fmt.Errorf("cannot attach a disk of format %q: want %q or %q", s.DiskFormat, artifact.QCOW2, artifact.Raw)
	}
	paths := []string{s.Disk, s.Seed}
	if s.Direct != nil {
		paths = append(paths, s.Direct.Kernel, s.Direct.Initrd)
	}
	for _, p := range paths {
		if p != "" && !filepath.IsAbs(p) {
			return fmt.Errorf("cannot use %q: libvirt wants an absolute path", p)
		}
	}
	return nil
}
