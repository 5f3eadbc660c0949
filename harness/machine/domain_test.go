package machine

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	libvirtxml "libvirt.org/go/libvirtxml"

	"assay/artifact"
	"assay/harness/accel"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (go test -update rewrites it):\n%s", path, got)
	}
}

func sampleWiring() wiring {
	return wiring{
		name: "assay-run1-boot", uuid: "11111111-2222-4333-8444-555555555555", runID: "run1", guest: "boot",
		nvram: "/scratch/boot.nvram", serial: "/scratch/boot.serial", port: 4321,
	}
}

func TestDomainXML(t *testing.T) {
	image := Spec{Name: "boot", Arch: artifact.X8664, Firmware: artifact.UEFI, MemoryMiB: 2048, CPUs: 2,
		Disk: "/scratch/boot.qcow2", DiskFormat: artifact.QCOW2, Seed: "/scratch/seed.iso"}
	bios, small, arm, v2 := image, image, image, image
	bios.Firmware, bios.Seed, bios.DiskFormat = artifact.BIOS, "", artifact.Raw
	small.Firmware, small.Disk, small.Seed = "", "", ""
	small.Direct = &DirectBoot{Kernel: "/k", Initrd: "/i", Cmdline: `console=ttyS0 a="<&>"`}
	arm.Arch = artifact.AArch64
	v2.KeepCX16 = true
	for name, c := range map[string]struct {
		spec      Spec
		processor processor
	}{
		"uefi-tcg.xml":    {image, processor{accel.TCG, 7002022}},
		"uefi-tcg-8.xml":  {image, processor{accel.TCG, soundCX16}},
		"uefi-tcg-v2.xml": {v2, processor{accel.TCG, 7002022}},
		"uefi-kvm.xml":    {image, processor{accel.KVM, 7002022}},
		"bios-tcg.xml":    {bios, processor{accel.TCG, 7002022}},
		"direct-tcg.xml":  {small, processor{accel.TCG, 7002022}},
		"aarch64-tcg.xml": {arm, processor{accel.TCG, 7002022}},
	} {
		if err := c.spec.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		x, err := domainXML(c.spec, sampleWiring(), c.processor)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, x+"\n")
	}
}

func TestSpecRefuses(t *testing.T) {
	good := Spec{Name: "boot", Arch: artifact.X8664, Firmware: artifact.UEFI, MemoryMiB: 2048, CPUs: 2}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Spec){
		"empty name":    func(s *Spec) { s.Name = "" },
		"path in name":  func(s *Spec) { s.Name = "../x" },
		"long name":     func(s *Spec) { s.Name = strings.Repeat("x", 41) },
		"architecture":  func(s *Spec) { s.Arch = "sparc" },
		"no firmware":   func(s *Spec) { s.Firmware = "" },
		"BIOS on ARM":   func(s *Spec) { s.Arch, s.Firmware = artifact.AArch64, artifact.BIOS },
		"no memory":     func(s *Spec) { s.MemoryMiB = 0 },
		"no CPU":        func(s *Spec) { s.CPUs = 0 },
		"disk format":   func(s *Spec) { s.Disk, s.DiskFormat = "/d", artifact.VagrantLibvirt },
		"relative path": func(s *Spec) { s.Seed = "seed.iso" },
	} {
		s := good
		change(&s)
		if s.check() == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

// TestRewire forks a definition as libvirt 9.0 writes it into a saved guest.
func TestRewire(t *testing.T) {
	saved, err := os.ReadFile(filepath.Join("testdata", "saved.xml"))
	if err != nil {
		t.Fatal(err)
	}
	w := wiring{
		name: "assay-run1-fork-1", uuid: "99999999-2222-4333-8444-555555555555", runID: "run1", guest: "fork-1",
		nvram: "/scratch/fork-1.nvram", serial: "/scratch/fork-1.serial", port: 9876,
	}
	x, err := rewire(string(saved), w, "/scratch/fork-1.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "saved-forked.xml", x+"\n")
	for _, old := range []string{"/scratch/boot.", "assay-run1-boot", "11111111-", `guest="boot"`} {
		if strings.Contains(x, old) {
			t.Errorf("the fork still has %q of its origin", old)
		}
	}
	if o, ok := ownerOf(x); !ok || o.Run != "run1" || o.Guest != "fork-1" {
		t.Errorf("owner mark %+v, %v", o, ok)
	}
}

func TestRewireRefuses(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "saved.xml"))
	if err != nil {
		t.Fatal(err)
	}
	saved := string(b)
	for what, x := range map[string]string{
		"not XML":       "x",
		"no mark":       strings.ReplaceAll(saved, ownerNamespace, "urn:other"),
		"other network": strings.ReplaceAll(saved, "interface type='client'", "interface type='mcast'"),
		"other serial":  strings.ReplaceAll(saved, "serial type='unix'", "serial type='pty'"),
		"two disks":     strings.ReplaceAll(saved, "      <readonly/>\n", ""),
	} {
		if x == saved {
			t.Fatalf("%s: the sample has nothing to replace", what)
		}
		if _, err := rewire(x, sampleWiring(), "/d"); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	if _, err := rewire(saved, sampleWiring(), ""); err == nil {
		t.Error("a fork without a disk of a guest with one is accepted")
	}
}

func TestOwnerMark(t *testing.T) {
	x, err := domainXML(Spec{Name: "boot", Arch: artifact.X8664, MemoryMiB: 1, CPUs: 1}, sampleWiring(), processor{kind: accel.TCG})
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := ownerOf(x); !ok || o.Run != "run1" || o.Guest != "boot" {
		t.Errorf("owner mark %+v, %v", o, ok)
	}
	for _, x := range []string{"", "<domain/>", "<domain><metadata><owner run='x'/></metadata></domain>",
		"<domain><metadata><a:owner xmlns:a='urn:assay:owner:1' run=''/></metadata></domain>", "<domain><metadata><<</metadata></domain>"} {
		if o, ok := ownerOf(x); ok {
			t.Errorf("found %+v in %q", o, x)
		}
	}
}

func FuzzOwnerOf(f *testing.F) {
	f.Add("<domain><metadata>" + ownerMark("r", "g") + "</metadata></domain>")
	f.Fuzz(func(t *testing.T, x string) { ownerOf(x) })
}

func FuzzRewire(f *testing.F) {
	if b, err := os.ReadFile(filepath.Join("testdata", "saved.xml")); err == nil {
		f.Add(string(b))
	}
	f.Add("<domain/>")
	f.Fuzz(func(t *testing.T, x string) { rewire(x, sampleWiring(), "/d") })
}

// An error of the host's disk must not reach the guest, which would be blamed.
func TestHostErrorsPauseTheGuest(t *testing.T) {
	s := Spec{Name: "boot", Arch: artifact.X8664, Firmware: artifact.BIOS, MemoryMiB: 2048, CPUs: 2,
		Disk: "/scratch/boot.qcow2", DiskFormat: artifact.QCOW2, Seed: "/scratch/seed.iso"}
	x, err := domainXML(s, sampleWiring(), processor{accel.TCG, 7002022})
	if err != nil {
		t.Fatal(err)
	}
	var d libvirtxml.Domain
	if err := d.Unmarshal(x); err != nil {
		t.Fatal(err)
	}
	if len(d.Devices.Disks) != 2 {
		t.Fatalf("%d disks", len(d.Devices.Disks))
	}
	for _, disk := range d.Devices.Disks {
		if disk.Driver.ErrorPolicy != "stop" || disk.Driver.RErrorPolicy != "stop" {
			t.Errorf("%s: error policy %q, %q when reading", disk.Target.Dev, disk.Driver.ErrorPolicy, disk.Driver.RErrorPolicy)
		}
	}
}
