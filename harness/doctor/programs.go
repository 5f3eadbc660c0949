package doctor

import (
	"context"
	"io/fs"
	"strings"
)

// firstLine is enough of what --version prints.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > 100 {
		line = line[:100]
	}
	return line
}

// programs looks for what the harness runs.
func (e *examination) programs(ctx context.Context) {
	for _, p := range []struct {
		program
		names   []string
		without Status
		why     string
	}{
		{program{"qemu", "qemu-system-x86", "qemu-system-x86-core"}, []string{"qemu-system-x86_64", "qemu-kvm"}, Fail, "nothing can run a guest"},
		{program{"qemu-img", "qemu-utils", "qemu-img"}, []string{"qemu-img"}, Fail, "no disk can be prepared"},
		{program{"xz", "xz-utils", "xz"}, []string{"xz"}, Warn, ".xz images unpack several times slower"},
	} {
		found := false
		for _, name := range p.names {
			path, err := e.host.LookPath(name)
			if err != nil {
				continue
			}
			version, err := e.host.Output(ctx, path, "--version")
			if err != nil {
				e.add(p.name, p.without, e.install(p.program), "%s is there and does not run: %v", path, err)
			} else {
				e.add(p.name, OK, nil, "%s", firstLine(version))
				if p.name == "qemu" {
					e.qemu = firstLine(version)
				}
			}
			found = true
			break
		}
		if !found {
			e.add(p.name, p.without, e.install(p.program), "%s is not installed: %s", p.names[0], p.why)
		}
	}
}

// Where distributions put the firmwares QEMU needs (Debian, Fedora, openSUSE, Arch).
var (
	uefiFiles = []string{
		"usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_CODE.fd", "usr/share/edk2/ovmf/OVMF_CODE.fd",
		"usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", "usr/share/qemu/ovmf-x86_64-code.bin", "usr/share/edk2/x64/OVMF_CODE.4m.fd",
	}
	biosFiles = []string{"usr/share/seabios/bios-256k.bin", "usr/share/qemu/bios-256k.bin"}
	// libvirt chooses a firmware by these descriptions.
	descriptions = []string{"usr/share/qemu/firmware", "etc/qemu/firmware"}
)

func (e *examination) firmware() {
	ovmf := program{"uefi", "ovmf", "edk2-ovmf"}
	path, ok := e.firstFile(uefiFiles)
	described := false
	for _, d := range descriptions {
		names, err := fs.ReadDir(e.host.FS, d)
		described = described || err == nil && len(names) > 0
	}
	switch {
	case !ok:
		e.add("uefi", Warn, e.install(ovmf), "no UEFI firmware (OVMF): images that boot by UEFI cannot run")
	case !described:
		e.add("uefi", Warn, e.install(ovmf), "%s has no description in /usr/share/qemu/firmware, so libvirt cannot choose it", path)
	default:
		e.add("uefi", OK, nil, "%s", path)
	}
	if path, ok := e.firstFile(biosFiles); ok {
		e.add("bios", OK, nil, "%s", path)
	} else {
		e.add("bios", Warn, e.install(program{"bios", "seabios", "seabios-bin"}), "no BIOS (SeaBIOS): images that boot by BIOS cannot run")
	}
}

func (e *examination) firstFile(names []string) (string, bool) {
	for _, n := range names {
		if _, err := fs.Stat(e.host.FS, n); err == nil {
			return "/" + n, true
		}
	}
	return "", false
}
