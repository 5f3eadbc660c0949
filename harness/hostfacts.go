package harness

import (
	"syscall"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// hostArch is the kernel's name of the host's architecture.
func hostArch() artifact.Arch {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return artifact.Arch(unix.ByteSliceToString(u.Machine[:]))
}

// hostMemoryMiB is the host's whole memory.
func hostMemoryMiB() int {
	var i syscall.Sysinfo_t
	if syscall.Sysinfo(&i) != nil {
		return 0
	}
	return int(uint64(i.Totalram) * uint64(i.Unit) >> 20)
}
