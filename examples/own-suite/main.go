// Command own-suite judges an image by Assay's suites and one of our own:
//
//	go run . IMAGE RESULTS-FOLDER [CHECK...]
//
// Checks are chosen as with `assay run --check`. Exit statuses are Assay's.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"assay/harness"
	"assay/reports"
	_ "assay/suites/all" // Assay's own; leave it out to run ours alone

	_ "example.com/own-suite/web"
)

func main() {
	// A run starts this very program again: for each group of checks, and once
	// for the process that cleans up.
	if status, handled := harness.Subprocess(context.Background(), os.Args[1:]); handled {
		os.Exit(status)
	}
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: own-suite IMAGE RESULTS-FOLDER [CHECK...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status, err := judge(ctx, os.Args[1], os.Args[2], os.Args[3:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "own-suite:", err)
	}
	os.Exit(status)
}

func judge(ctx context.Context, image, results string, checks []string) (status int, err error) {
	run, err := harness.Run(ctx, harness.Options{
		Image: image, Results: results, Selection: harness.Selection{Checks: checks},
		Command: os.Args, Version: "own-suite",
		Progress: func(p harness.Progress) { fmt.Fprintln(os.Stderr, p.Text) },
	})
	if err != nil {
		return 1, err
	}
	if err := reports.Summary(os.Stdout, run, false); err != nil {
		return 1, err
	}
	switch run.Verdict {
	case reports.Accepted:
		return 0, nil
	case reports.Rejected:
		return 3, nil
	}
	return 4, nil
}
