package doctor

import (
	"context"
	"io/fs"
	"regexp"
	"strconv"

	"assay/harness/accel"
)

func (e *examination) accelerator(ctx context.Context) {
	kind, why, err := e.host.Accel(ctx)
	switch {
	case err != nil:
		e.add("kvm", Fail, nil, "cannot tell whether KVM works: %v", err)
	case kind == accel.KVM:
		e.add("kvm", OK, nil, "guests run under KVM: %s", why)
	default:
		e.add("kvm", Warn, nil, "guests are emulated, about %.0f times slower: %s", kind.Scale(), why)
		e.oldEmulation()
	}
	e.slowCreate()
}

var qemuVersion = regexp.MustCompile(`\bversion (\d+)\.(\d+)`)

// oldEmulation knows a fault of QEMU before 8.1, which translates code while
// another processor of the guest changes it: kernels that switch static keys trip
// ("Oops: int3"), the more the busier the host is.
// Source: QEMU commit deba78709a, "Always lock pages before translation".
func (e *examination) oldEmulation() {
	m := qemuVersion.FindStringSubmatch(e.qemu)
	if m == nil {
		return
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < 8 || major == 8 && minor == 0 {
		e.add("emulation", Warn, nil, "QEMU before 8.1 breaks the kernel of an emulated guest now and then, on a busy host above all: what it spoils is tried again on another guest")
	}
}

// slowCreate knows a trap: where root can open /dev/kvm and QEMU's user
// cannot, libvirt's probe (as root) and its check (as that user) disagree about KVM, and
// libvirt asks QEMU for everything again at every start: a minute, not half a
// second.
func (e *examination) slowCreate() {
	info, err := fs.Stat(e.host.FS, "dev/kvm")
	if err != nil || e.isSession() {
		return
	}
	who, ok := e.qemuAccount()
	if !ok {
		return
	}
	if yes, known := who.may(info, 0o6); yes || !known {
		return
	}
	mend := e.sudo("chgrp kvm /dev/kvm", "chmod 0660 /dev/kvm", "usermod -aG kvm "+who.name)
	e.add("start", Warn, mend, "/dev/kvm is there and %s, whom QEMU runs as, may not open it: libvirt then examines QEMU "+
		"anew whenever a guest starts, which takes a minute", who.name)
}
