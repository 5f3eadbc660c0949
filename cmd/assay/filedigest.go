package main

import (
	"context"
	"crypto/sha256"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// fileDigest reads a file for as long as ctx lasts.
func fileDigest(ctx context.Context, file string) (artifact.Digest, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, untilDone{ctx, f}); err != nil {
		return "", err
	}
	return artifact.DigestOf([32]byte(h.Sum(nil))), nil
}

// untilDone ends with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// hostArch is the kernel's name of this host's architecture.
func hostArch() artifact.Arch {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return artifact.Arch(unix.ByteSliceToString(u.Machine[:]))
}
