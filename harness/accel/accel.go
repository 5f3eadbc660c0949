// Package accel finds out what can run a guest's instructions on this host:
// the processor itself (KVM) or an emulator (TCG).
//
// It believes KVM only when a guest has truly run under it, as there are hosts
// whose /dev/kvm opens, creates a machine and then executes nothing. It never
// loads a kernel module and never changes a permission. It needs
// qemu-system-x86_64 to answer "kvm"; without it the answer is "tcg".
package accel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Kind is what executes a guest's instructions.
type Kind string

// The accelerators behind libvirt's domain types "kvm" and "qemu".
const (
	KVM Kind = "kvm"
	TCG Kind = "tcg"
)

// Scale is how many times slower a guest is expected to be than under KVM; the
// limits written for KVM are multiplied by it.
func (k Kind) Scale() float64 { return Scale(k) }

// Scale is 1 for KVM and 10 for everything else: what boots of the same image
// took, with and without.
func Scale(k Kind) float64 {
	if k == KVM {
		return 1
	}
	return 10
}

// EnvName is the environment variable that overrides Detect: "kvm" or "tcg".
const EnvName = "ASSAY_ACCEL"

// Parse reads a Kind as a user writes it.
func Parse(s string) (Kind, error) {
	switch k := Kind(s); k {
	case KVM, TCG:
		return k, nil
	}
	return "", fmt.Errorf("cannot use accelerator %q: want %q or %q", s, KVM, TCG)
}

// probeLimit is far more than a boot sector needs under KVM (a fraction of a
// second on a busy host) and little to lose once per host boot.
const probeLimit = 8 * time.Second

// Detect says what guests of this host's architecture should run under, and why
// in words for the reader. A guest of another architecture is always emulated.
//
// What the probe found is kept in cacheDir until the host boots again; "" keeps
// nothing. What would have kept the probe from running (no device, no
// permission, no QEMU) is looked at every time. EnvName overrides everything;
// an unknown value there is an error, and so is the end of ctx.
func Detect(ctx context.Context, cacheDir string) (kind Kind, reason string, err error) {
	return detector{
		env:    os.Getenv,
		arch:   runtime.GOARCH,
		device: "/dev/kvm",
		bootID: "/proc/sys/kernel/random/boot_id",
		cache:  cacheDir,
		find:   exec.LookPath,
		probe:  probeOnce,
	}.detect(ctx)
}

// detector is Detect with the host passed in.
type detector struct {
	env            func(string) string
	arch           string
	device, bootID string
	cache          string
	find           func(program string) (string, error)
	probe          func(ctx context.Context, qemu string, limit time.Duration) error
}

func (d detector) detect(ctx context.Context) (Kind, string, error) {
	if s := d.env(EnvName); s != "" {
		k, err := Parse(s)
		if err != nil {
			return "", "", fmt.Errorf("cannot read %s: %w", EnvName, err)
		}
		return k, "set by " + EnvName, nil
	}
	if d.arch != "amd64" {
		return TCG, "KVM is only tried on x86_64 hosts, this one is " + d.arch, nil
	}
	f, err := os.OpenFile(d.device, os.O_RDWR, 0)
	if err != nil {
		return TCG, fmt.Sprintf("KVM cannot be used: %v", err), nil
	}
	f.Close()
	qemu, err := d.find("qemu-system-x86_64")
	if err != nil {
		return TCG, "KVM cannot be tried without qemu-system-x86_64", nil
	}
	memory := memory{dir: d.cache, bootIDFile: d.bootID, qemu: qemu}
	if kind, reason, ok := memory.recall(); ok {
		return kind, reason, nil
	}
	kind, reason := KVM, "a guest ran under KVM"
	if err := d.probe(ctx, qemu, probeLimit); err != nil {
		if ctx.Err() != nil {
			return "", "", fmt.Errorf("cannot find out whether KVM works: %w", ctx.Err())
		}
		kind, reason = TCG, "KVM is there, but no guest runs under it: "+err.Error()
		if !errors.Is(err, errProbe) {
			// QEMU did not get as far as running a guest: worth another try.
			return kind, reason, nil
		}
	}
	// An answer that cannot be kept is found again next time.
	_ = memory.keep(kind, reason)
	return kind, reason, nil
}
