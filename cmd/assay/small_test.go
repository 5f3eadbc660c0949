package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/fixtures/smallguest"
	"assay/reports"
)

func smallGuest(t *testing.T) *smallguest.Guest {
	t.Helper()
	g, err := smallguest.Ensure(t.Context(), smallguest.Options{Cache: cacheDir(t), Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// smallImage is the disk of the small guest: up in seconds, and good enough
// for checks that want nothing but a shell.
func smallImage(t *testing.T) string { return smallGuest(t).QCOW2 }

// TestFormatsAndFirmwares boots the small guest from each kind of file, by each
// firmware. (The small guest reads NoCloud seeds only.)
func TestFormatsAndFirmwares(t *testing.T) {
	needGuests(t)
	g := smallGuest(t)
	dir := t.TempDir()
	xz := filepath.Join(dir, "small.raw.xz")
	packed, err := os.Create(xz)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("xz", "-0", "-T0", "--stdout", g.Raw)
	cmd.Stdout = packed
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, image string
		args        []string
		format      string
		firmware    string
	}{
		{"raw.xz by UEFI", xz, nil, "raw", "uefi"},
		{"Vagrant box by BIOS", box(t, g.QCOW2, dir), []string{"--firmware", "bios"}, "vagrant-libvirt", "bios"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := assayRun(t, c.image, append(c.args, "--check", "boot/*", "--check", "base/os-release")...)
			if e.status != exitOK || e.run == nil || e.run.Verdict != reports.Accepted {
				t.Fatalf("exit %d; want accepted", e.status)
			}
			if string(e.run.Image.Format) != c.format || string(e.run.Image.Firmware) != c.firmware {
				t.Errorf("the report says %s by %s, want %s by %s", e.run.Image.Format, e.run.Image.Firmware, c.format, c.firmware)
			}
			if left := leftoversOf(t, e.run); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// box packs a qcow2 as Vagrant's libvirt provider wants it.
func box(t *testing.T, qcow2, dir string) string {
	t.Helper()
	disk, err := os.Open(qcow2)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	st, err := disk.Stat()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "small.box")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(out)
	w := tar.NewWriter(zip)
	add := func(name string, size int64, from io.Reader) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, from); err != nil {
			t.Fatal(err)
		}
	}
	meta := fmt.Sprintf(`{"provider":"libvirt","format":"qcow2","virtual_size":%d}`, 1)
	add("metadata.json", int64(len(meta)), strings.NewReader(meta))
	vagrantfile := "Vagrant.configure(\"2\") { |c| }\n"
	add("Vagrantfile", int64(len(vagrantfile)), strings.NewReader(vagrantfile))
	add("box.img", st.Size(), disk)
	for _, c := range []io.Closer{w, zip, out} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
