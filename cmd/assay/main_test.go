package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"assay/harness"
)

// TestMain lets the test binary be assay itself, for the scripts, and the
// processes that a run starts.
func TestMain(m *testing.M) {
	if status, ok := harness.Subprocess(context.Background(), os.Args[1:]); ok {
		os.Exit(status)
	}
	testscript.Main(m, map[string]func(){"assay": main})
}

// TestScripts runs the command line without any guest.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ASSAY_CACHE", e.Getenv("WORK")+"/cache")
			e.Setenv("HOME", e.Getenv("WORK"))
			return nil
		},
	})
}
