package machine

import (
	"fmt"

	"libvirt.org/go/libvirtxml"

	"assay/artifact"
	"assay/harness/accel"
	"assay/harness/network"
)

// wiring is what one guest's definition points at in this process and in the
// scratch folder; a fork differs from its origin in it, and in name and disk.
type wiring struct {
	name, uuid string
	runID      string
	guest      string
	// nvram is the UEFI variable store's path.
	nvram  string
	serial string
	// port is the loopback port of the guest's network.
	port uint
}

// domainXML defines a guest.
//
// There is no graphics, USB, balloon or sound: each costs boot time under
// emulation and is nothing a server image needs. The network card has no ROM,
// so that no firmware tries to boot from it.
func domainXML(s Spec, w wiring, p processor) (string, error) {
	d := &libvirtxml.Domain{
		Type:       "qemu",
		Name:       w.name,
		UUID:       w.uuid,
		Metadata:   &libvirtxml.DomainMetadata{XML: ownerMark(w.runID, w.guest)},
		Memory:     &libvirtxml.DomainMemory{Value: uint(s.MemoryMiB), Unit: "MiB"},
		VCPU:       &libvirtxml.DomainVCPU{Placement: "static", Value: uint(s.CPUs)},
		OS:         osXML(s, w),
		Features:   &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}},
		CPU:        p.xml(s),
		Clock:      &libvirtxml.DomainClock{Offset: "utc"},
		OnPoweroff: "destroy",
		OnReboot:   "restart",
		OnCrash:    "destroy",
		Devices: &libvirtxml.DomainDeviceList{
			Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
			Interfaces: []libvirtxml.DomainInterface{{
				MAC:    &libvirtxml.DomainInterfaceMAC{Address: network.GuestMAC},
				Source: &libvirtxml.DomainInterfaceSource{Client: &libvirtxml.DomainInterfaceSourceClient{Address: "127.0.0.1", Port: w.port}},
				Model:  &libvirtxml.DomainInterfaceModel{Type: "virtio"},
				ROM:    &libvirtxml.DomainROM{Enabled: "no"},
			}},
			Serials: []libvirtxml.DomainSerial{{
				Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "connect", Path: w.serial}},
				Target: &libvirtxml.DomainSerialTarget{Port: new(uint)},
			}},
			RNGs: []libvirtxml.DomainRNG{{
				Model:   "virtio",
				Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
			}},
			MemBalloon: &libvirtxml.DomainMemBalloon{Model: "none"},
		},
	}
	if p.kind == accel.KVM {
		d.Type = "kvm"
	}
	if s.Arch == artifact.X8664 {
		d.Features.APIC = &libvirtxml.DomainFeatureAPIC{}
		d.Devices.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "none"}}}
	}
	if s.Disk != "" {
		d.Devices.Disks = append(d.Devices.Disks, diskXML(s))
	}
	if s.Seed != "" {
		d.Devices.Disks = append(d.Devices.Disks, seedXML(s.Seed))
	}
	x, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("cannot write the definition of guest %s: %w", w.guest, err)
	}
	return x, nil
}

func osXML(s Spec, w wiring) *libvirtxml.DomainOS {
	o := &libvirtxml.DomainOS{Type: &libvirtxml.DomainOSType{Arch: string(s.Arch), Machine: "q35", Type: "hvm"}}
	if s.Arch == artifact.AArch64 {
		o.Type.Machine = "virt"
	}
	if s.Direct != nil {
		o.Kernel, o.Initrd, o.Cmdline = s.Direct.Kernel, s.Direct.Initrd, s.Direct.Cmdline
	}
	switch {
	case s.Firmware == artifact.UEFI:
		// libvirt knows where this host keeps its firmware and which template
		// of the variable store belongs to it.
		o.Firmware = "efi"
		o.FirmwareInfo = &libvirtxml.DomainOSFirmwareInfo{Features: []libvirtxml.DomainOSFirmwareFeature{{Enabled: "no", Name: "secure-boot"}}}
		o.NVRam = &libvirtxml.DomainNVRam{NVRam: w.nvram}
	case s.Arch == artifact.X8664:
		// What a boot loader prints through the BIOS reaches the serial port.
		o.BIOS = &libvirtxml.DomainBIOS{UseSerial: "yes"}
	}
	return o
}

// onHostError is what QEMU does when the host cannot read or write a disk's
// file: it pauses the guest (ErrPaused). A guest that got the error would remount
// its root read-only, and the image would be blamed.
const onHostError = "stop"

// diskXML attaches the overlay. Nothing in it outlives the run, so that
// flushing to the medium would be wasted; a saved guest's data is read back
// through the same page cache.
func diskXML(s Spec) libvirtxml.DomainDisk {
	boot := &libvirtxml.DomainDeviceBoot{Order: 1}
	if s.Direct != nil {
		boot = nil
	}
	return libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: string(s.DiskFormat), Cache: "unsafe", Discard: "unmap",
			ErrorPolicy: onHostError, RErrorPolicy: onHostError},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: s.Disk}},
		Target: &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
		Boot:   boot,
	}
}

// seedXML attaches the seed as a disk. cloud-init's generator looks for its
// seed once, early in the boot: a CD drive, whose driver is not in the initramfs, was
// seen to come after that on a busy host, and then nothing of the seed applies.
// The driver of this one has brought the root file system already.
func seedXML(path string) libvirtxml.DomainDisk {
	return libvirtxml.DomainDisk{
		Device:   "disk",
		Driver:   &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "raw", ErrorPolicy: onHostError, RErrorPolicy: onHostError},
		Source:   &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}},
		Target:   &libvirtxml.DomainDiskTarget{Dev: "vdb", Bus: "virtio"},
		ReadOnly: &libvirtxml.DomainDiskReadOnly{},
	}
}
