// Command assay boots OS images, judges them by acceptance suites and says
// whose fault a failure is.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(Main())
}

// Main runs the command line of this process and returns its exit status. It
// exists beside main for testscript, which runs it as a program of its own.
func Main() int {
	// The first signal ends the run in order; a second one ends the process,
	// and the keeper cleans up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRootCommand()
	return report(os.Stderr, root.ExecuteContext(ctx), ctx)
}
