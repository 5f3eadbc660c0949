package harness

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"assay/harness/keeper"
	"assay/harness/machine"
)

// The arguments with which a run starts its own program again.
const (
	childArg  = "suite-child"
	keeperArg = "keeper"
)

// Subprocesses are the first arguments that Subprocess answers to.
func Subprocesses() []string { return []string{childArg, keeperArg} }

// Subprocess carries out the part of a run that is a process of its own, when
// args (without the program's name) ask for one, and returns its exit status.
// A program that calls Run without Options.Exe calls this first of all.
func Subprocess(ctx context.Context, args []string) (status int, handled bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case childArg:
		events, err := divertStdout()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1, true
		}
		return Child(ctx, os.Stdin, events, os.Stderr), true
	case keeperArg:
		return keep(ctx, args[1:]), true
	}
	return 0, false
}

// divertStdout returns the standard output for events and sends whatever else
// is printed (Ginkgo's own report) to standard error.
func divertStdout() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = unix.Dup3(2, 1, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot divert standard output: %w", err)
	}
	return os.NewFile(uintptr(fd), "events"), nil
}

// keep is the keeper's process. It has no one to tell an error to but its exit
// status and the log it leaves in the run's folder.
func keep(ctx context.Context, args []string) int {
	opt, err := keeper.ParseArgs(args)
	if err == nil {
		err = keeper.Main(ctx, os.Stdin, opt, func(ctx context.Context) (int, error) {
			return machine.DestroyOwned(ctx, opt.URI, opt.RunID)
		})
	}
	if err != nil {
		return 1
	}
	return 0
}
