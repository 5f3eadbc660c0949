package powercut_test

import (
	"testing"

	"assay/harness/harnesstest"
	_ "assay/suites/powercut"
)

func TestMain(m *testing.M) { harnesstest.Main(m) }

// TestSuite runs the suite on a real image: go test ./suites/powercut -args -image=PATH
func TestSuite(t *testing.T) { harnesstest.Suite(t, "powercut") }
