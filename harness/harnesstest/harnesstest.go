// Package harnesstest lets the suites run under plain `go test`:
//
//	go test ./suites/... -args -image=fedora.qcow2
//
// A suite's package has one test that calls Suite and a TestMain that calls
// Main. Without -image the test is skipped and says so.
package harnesstest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"assay/harness"
	"assay/reports"
)

var (
	image   = flag.String("image", "", "OS image to run the suite on")
	results = flag.String("results", "", "folder for the results, one folder a suite in it (default: the test's own)")
)

// Main is a suite package's TestMain: the test binary is the run's child and
// keeper processes, too.
func Main(m *testing.M) {
	if status, ok := harness.Subprocess(context.Background(), os.Args[1:]); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// Suite judges -image by one suite, a subtest a case.
func Suite(t *testing.T, name string) {
	if *image == "" {
		t.Skip("no image was given: go test ./suites/... -args -image=PATH")
	}
	dir := *results
	if dir == "" {
		dir = t.ArtifactDir()
	}
	run, err := harness.Run(t.Context(), harness.Options{
		Image: *image, Selection: harness.Selection{Suites: []string{name}}, Results: filepath.Join(dir, name),
		Command: os.Args, Version: "go test",
		Progress: func(p harness.Progress) { fmt.Fprintln(os.Stderr, p.Text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range run.Suites {
		for _, c := range s.Cases {
			t.Run(string(c.ID), func(t *testing.T) { tell(t, c) })
		}
	}
	if run.Verdict != reports.Accepted {
		t.Errorf("%s: %s", run.Verdict, run.Reason)
	}
}

func tell(t *testing.T, c reports.Case) {
	switch {
	case c.Outcome == reports.Skipped:
		t.Skip(c.Message)
	case c.Outcome == reports.Passed:
	case !c.Blocking, c.Known.Covers():
		t.Logf("%s, and does not count: %s", c.Outcome, c.Message)
	default:
		t.Errorf("%s (%s): %s\nreplay: %s", c.Outcome, c.Fault, c.Message, c.Replay)
	}
}
