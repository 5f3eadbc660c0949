package accel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// probeCode is a boot sector (loaded at 0x7c00). It enters 64-bit mode with
// paging on, counts to a hundred million, writes the letter K to the first
// serial port and a number to QEMU's exit device.
//
// Real mode alone proves nothing: there are hosts whose KVM gets through it,
// instruction by instruction, and then never runs a kernel. The counting takes
// a processor 50 ms, an emulator half a second, and an emulated KVM for ever.
var probeCode = []byte{
	0xfa,       // cli
	0x31, 0xc0, // xor ax, ax
	0x8e, 0xd8, // mov ds, ax
	0x8e, 0xc0, // mov es, ax
	0x66, 0xbf, 0x00, 0x10, 0x00, 0x00, // mov edi, 0x1000
	0x0f, 0x22, 0xdf, // mov cr3, edi: three page tables from 0x1000 on
	0x66, 0x31, 0xc0, // xor eax, eax
	0x66, 0xb9, 0x00, 0x0c, 0x00, 0x00, // mov ecx, 3*4096/4
	0xfc,             // cld
	0x66, 0xf3, 0xab, // rep stosd
	0x66, 0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, 0x00, 0x00, // mov dword [0x1000], 0x2003: present, writable
	0x66, 0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, 0x00, 0x00, // mov dword [0x2000], 0x3003
	0x66, 0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, 0x00, 0x00, // mov dword [0x3000], 0x83: the first 2 MiB
	0x0f, 0x20, 0xe0, // mov eax, cr4
	0x0c, 0x20, // or al, 0x20: PAE
	0x0f, 0x22, 0xe0, // mov cr4, eax
	0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, // mov ecx, 0xc0000080: EFER
	0x0f, 0x32, // rdmsr
	0x80, 0xcc, 0x01, // or ah, 1: long mode
	0x0f, 0x30, // wrmsr
	0x0f, 0x20, 0xc0, // mov eax, cr0
	0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, // or eax, 0x80000001: paging, protection
	0x0f, 0x22, 0xc0, // mov cr0, eax
	0x0f, 0x01, 0x16, 0x7f, 0x7c, // lgdt [gdtr]
	0xea, 0x63, 0x7c, 0x08, 0x00, // jmp 0x08:0x7c63, the next line, in 64 bits
	0xb9, 0x00, 0xe1, 0xf5, 0x05, // mov ecx, 100000000
	0xff, 0xc9, // dec ecx
	0x75, 0xfc, // jnz to the dec
	0xba, 0xf8, 0x03, 0x00, 0x00, // mov edx, 0x3f8
	0xb0, 'K', // mov al, 'K'
	0xee,                         // out dx, al
	0xba, 0xf4, 0x00, 0x00, 0x00, // mov edx, 0xf4
	0xb0, 0x10, // mov al, 0x10
	0xee,       // out dx, al
	0xf4,       // hlt
	0xeb, 0xfd, // jmp to the hlt
	0x0f, 0x00, 0x85, 0x7c, 0x00, 0x00, // gdtr (0x7c7f): 15 bytes more at 0x7c85
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // gdt: the null descriptor
	0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, // 64-bit code
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
	// Where /dev/kvm lies this QEMU never ends by itself: it goes with this
	// process, and for that with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
