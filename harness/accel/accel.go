// Package accel finds out what can run a guest's instructions on this host:
// the processor itself (KVM) or an emulator (TCG).
//
// It believes KVM only when a guest has truly run under it, as there are hosts
// whose /dev/kvm opens, creates a machine and then executes nothing. It never
// loads a kernel module and never changes a permission. It needs
// qemu-system-x86_64 to answer "kvm"; without it the answer is "tcg".
package accel

import "context"

// Kind is what executes a guest's instructions.
type Kind string

// The accelerators libvirt's "kvm" and "qemu" domain types stand for.
const (
	KVM Kind = "kvm"
	TCG Kind = "tcg"
)

// Scale is how many times slower a guest is expected to be than under KVM.
// Limits written for KVM are multiplied by it.
func (k Kind) Scale() float64 { return Scale(k) }

// Scale is Kind.Scale as a function: 1 for KVM, 10 for everything else.
func Scale(k Kind) float64 {
	if k == KVM {
		return 1
	}
	return 10
}

// Detect says what to use, and why in words a person can act on. The answer of
// the probe is kept in cacheDir per host boot; "" keeps nothing. The
// environment variable ASSAY_ACCEL (kvm or tcg) overrides it; an unknown value
// there is the only error.
func Detect(ctx context.Context, cacheDir string) (kind Kind, reason string, err error) {
	return TCG, "not implemented", nil
}
