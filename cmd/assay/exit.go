package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/cloudinit"
	"assay/harness"
	"assay/harness/disk"
	"assay/release"
	"assay/reports"
	"assay/reports/known"
)

// Exit statuses, the same for every command.
const (
	exitOK          = 0
	exitInternal    = 1
	exitUsage       = 2
	exitRejected    = 3
	exitUndecided   = 4
	exitInterrupted = 130
)

// usageError is a command line that cannot be carried out as it stands.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// refusedError is a change that evidence or policy speaks against.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// exitError asks for a status without a message of its own: all was said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// verdictStatus is the exit status of a verdict.
func verdictStatus(v reports.Verdict) int {
	switch v {
	case reports.Accepted:
		return exitOK
	case reports.Rejected:
		return exitRejected
	}
	return exitUndecided
}

// report prints what went wrong and returns the exit status for it.
func report(w io.Writer, err error, ctx context.Context) int {
	var asked exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &asked):
		return int(asked)
	case ctx.Err() != nil:
		var left *harness.LeftoverError
		if errors.As(err, &left) {
			fmt.Fprintf(w, "assay: interrupted; %v\n", left)
		} else {
			fmt.Fprintln(w, "assay: interrupted; no guest was left behind")
		}
		return exitInterrupted
	}
	fmt.Fprintf(w, "assay: %s\n", strings.TrimSpace(err.Error()))
	return statusOf(err)
}

func statusOf(err error) int {
	var (
		usage *usageError
		image *disk.InputError
		seed  *cloudinit.InputError
		list  *known.Error
		file  *reports.FormatError
		newer *reports.VersionError
		pick  *harness.SelectionError
		infra *harness.InfraError
		down  *harness.ImageError
		no    *refusedError
	)
	switch {
	case errors.As(err, &usage), errors.As(err, &image), errors.As(err, &seed), errors.As(err, &list), errors.As(err, &file), errors.As(err, &newer), errors.As(err, &pick):
		return exitUsage
	case errors.As(err, &down), errors.As(err, &no), errors.Is(err, release.ErrNotAllowed):
		return exitRejected
	case errors.As(err, &infra):
		return exitUndecided
	}
	return exitInternal
}
