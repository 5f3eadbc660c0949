package machine

import (
	"libvirt.org/go/libvirtxml"

	"assay/artifact"
	"assay/harness/accel"
)

// processor is what stands in for a guest's processor on this host.
type processor struct {
	kind accel.Kind
	// qemu is QEMU's version as libvirt counts: 7002022 is 7.2.22; 0 is unknown.
	qemu uint64
}

// soundCX16 is the first QEMU whose emulated cmpxchg16b leaves the flags right.
// Up to 7.2 the helper behind it computes them from a stale state (target/i386,
// gen_helper_cmpxchg16b without gen_update_cc_op; the code was replaced in
// 8.0), so that an interrupt right after it saves and restores garbage. Linux
// allocates memory with that instruction: on a busy host, kernel 6.12 under 7.2
// died of it in 12 of 40 boots ("double fault", in __kmalloc), and in 0 of 20
// when the processor did not offer the instruction.
const soundCX16 = 8000000

func (p processor) xml(s Spec) *libvirtxml.DomainCPU {
	if p.kind == accel.KVM {
		return &libvirtxml.DomainCPU{Mode: "host-passthrough", Check: "none"}
	}
	c := &libvirtxml.DomainCPU{Mode: "maximum", Check: "none"}
	if s.Arch != artifact.X8664 {
		return c
	}
	// Emulated five-level paging panics kernels early in boot.
	off := []string{"la57"}
	if p.qemu < soundCX16 && !s.KeepCX16 {
		off = append(off, "cx16")
	}
	for _, name := range off {
		c.Features = append(c.Features, libvirtxml.DomainCPUFeature{Policy: "disable", Name: name})
	}
	return c
}
