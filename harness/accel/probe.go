package accel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// probeCode is a boot sector in 16-bit code: it writes the letter K to the
// first serial port and a number to QEMU's exit device.
var probeCode = []byte{
	0xba, 0xf8, 0x03, // mov dx, 0x3f8
	0xb0, 'K', // mov al, 'K'
	0xee,             // out dx, al
	0xba, 0xf4, 0x00, // mov dx, 0xf4
	0xb0, 0x10, // mov al, 0x10
	0xee,       // out dx, al
	0xf4,       // hlt
	0xeb, 0xfd, // jmp to the hlt
}

// probeStatus is how QEMU exits when 0x10 was written to isa-debug-exit
// (QEMU, hw/misc/debugexit.c: value << 1 | 1).
const probeStatus = 0x10<<1 | 1

// bootSector pads the code to a sector and marks it bootable.
func bootSector() []byte {
	s := make([]byte, 512)
	copy(s, probeCode)
	s[510], s[511] = 0x55, 0xaa
	return s
}

// errProbe means that QEMU started and the guest did not do its work.
var errProbe = errors.New("the probe failed")

// probeOnce runs the boot sector under KVM and returns nil when it did its work.
func probeOnce(ctx context.Context, qemu string, limit time.Duration) error {
	return runSector(ctx, qemu, "kvm", limit)
}

func runSector(ctx context.Context, qemu, accelerator string, limit time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "assay-accel-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	disk := filepath.Join(dir, "boot")
	if err := os.WriteFile(disk, bootSector(), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu,
		"-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
		"-machine", "pc", "-accel", accelerator, "-m", "16",
		"-drive", "if=ide,format=raw,file="+strings.ReplaceAll(disk, ",", ",,"),
		"-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
		"-serial", "stdio")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	exit, isExit := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: nothing ran within %s", errProbe, limit)
	case isExit && exit.ExitCode() == probeStatus && strings.Contains(out.String(), "K"):
		return nil
	case said.Len() > 0:
		return fmt.Errorf("%w: %s", errProbe, firstLine(said.String()))
	case err == nil:
		return fmt.Errorf("%w: QEMU ended without running it", errProbe)
	}
	return fmt.Errorf("cannot run QEMU: %w", err)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line[:min(len(line), 300)]
}
