package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// status N COMMAND...: the command ends with that very status.
			"status": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					got = exit.ExitCode()
				}
				if strconv.Itoa(got) != args[0] {
					ts.Fatalf("status %d, want %s", got, args[0])
				}
			},
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("ASSAY_CACHE", e.Getenv("WORK")+"/cache")
			e.Setenv("HOME", e.Getenv("WORK"))
			return nil
		},
	})
}
