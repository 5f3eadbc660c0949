package disk

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
)

// InputError says that the file the user named cannot be used as an image. The
// host is well; another try with the same file ends the same way.
type InputError struct {
	// Path is the file as the user named it.
	Path string
	// Problem is what is wrong, as the end of a sentence that began with Path.
	Problem string
	// Next is what the user can do, an imperative sentence; may be empty.
	Next string
	// Err is the cause, when another error told.
	Err error
}

func (e *InputError) Error() string {
	s := fmt.Sprintf("cannot use image %s: %s", shown(e.Path), e.Problem)
	if e.Next != "" {
		s += ". " + e.Next
	}
	return s
}

// shown is a name as people read it: one that could pass for another line, or
// steer a terminal, is quoted.
func shown(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

func (e *InputError) Unwrap() error { return e.Err }

// MissingProgramError says that a program this package needs is not installed.
type MissingProgramError struct {
	Program string
	// Package is the Debian package that brings it.
	Package string
}

func (e *MissingProgramError) Error() string {
	return fmt.Sprintf("cannot find the program %s: install the package %s", e.Program, e.Package)
}

// DiskFullError says that the file system of the cache has no room for an image.
type DiskFullError struct {
	Dir string
	// Free and Reserve are in bytes: what was free when the write was given up,
	// and what must stay free. Zero when the write was stopped by a quota or a
	// limit on the size of one file.
	Free, Reserve int64
	Err           error
}

func (e *DiskFullError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("cannot unpack the image into %s: %v (%s free); make room or choose another cache folder", e.Dir, e.Err, bytesText(e.Free))
	}
	return fmt.Sprintf("cannot unpack the image into %s: %s free, of which %s must stay free; make room or choose another cache folder",
		e.Dir, bytesText(e.Free), bytesText(e.Reserve))
}

func (e *DiskFullError) Unwrap() error { return e.Err }

// badInput makes an InputError whose path is filled in by named.
func badInput(next, format string, args ...any) *InputError {
	return &InputError{Problem: fmt.Sprintf(format, args...), Next: next}
}

// named fills in the path of an InputError that has none yet.
func named(err error, path string) error {
	var in *InputError
	if errors.As(err, &in) && in.Path == "" {
		in.Path = path
	}
	return err
}

// isFull tells the errors of a write that no retry on the same disk mends.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// bytesText writes a size as a person reads it: "2.5 GiB".
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	f, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for f >= unit && i < len(names)-1 {
		f /= unit
		i++
	}
	return fmt.Sprintf("%.4g %s", f, names[i])
}
