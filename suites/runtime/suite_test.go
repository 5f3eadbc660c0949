package runtime_test

import (
	"testing"

	"assay/harness/harnesstest"
	_ "assay/suites/runtime"
)

func TestMain(m *testing.M) { harnesstest.Main(m) }

// TestSuite runs the suite on a real image: go test ./suites/runtime -args -image=PATH
func TestSuite(t *testing.T) { harnesstest.Suite(t, "runtime") }
