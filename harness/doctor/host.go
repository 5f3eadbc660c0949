package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"assay/harness/accel"
	"assay/harness/capacity"
	"assay/harness/machine"
)

// Host is how the doctor sees the host; tests give it another one.
type Host struct {
	UID  int
	User string
	// FS is the root of the file system. Its FileInfo.Sys gives owners.
	FS fs.FS
	// LookPath finds a program.
	LookPath func(name string) (string, error)
	// Output runs a program that only tells something, and returns its stdout.
	Output func(ctx context.Context, name string, args ...string) (string, error)
	// Libvirt connects and returns the versions.
	Libvirt func(ctx context.Context, uri string) (libvirt, qemu string, err error)
	// Accel says what executes the guests' instructions, and why.
	Accel func(ctx context.Context) (accel.Kind, string, error)
	// Limits is what guests may use together.
	Limits func(dir string) (capacity.Limits, error)
	// Writable tells why a folder cannot be written.
	Writable func(dir string) error
}

const outputLimit = 10 * time.Second

// ThisHost is the host we run on.
func ThisHost() Host {
	h := Host{
		UID:      os.Geteuid(),
		User:     os.Getenv("USER"),
		FS:       os.DirFS("/"),
		LookPath: exec.LookPath,
		Output:   output,
		Libvirt:  libvirtVersions,
		// The probe's answer is not kept: that would be a change.
		Accel:  func(ctx context.Context) (accel.Kind, string, error) { return accel.Detect(ctx, "") },
		Limits: capacity.HostLimits,
		Writable: func(dir string) error {
			return unix.Access(dir, unix.W_OK|unix.X_OK)
		},
	}
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	return h
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, outputLimit)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.WaitDelay = time.Second
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("cannot run %s: %w", name, err)
	}
	return strings.TrimSpace(out.String()), nil
}

func libvirtVersions(ctx context.Context, uri string) (libvirt, qemu string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*outputLimit)
	defer cancel()
	h, err := machine.Connect(ctx, machine.Config{URI: uri, RunID: "doctor", Dir: os.TempDir()})
	if err != nil {
		return "", "", err
	}
	libvirt, qemu, err = h.Versions(ctx)
	return libvirt, qemu, errors.Join(err, h.Close())
}
