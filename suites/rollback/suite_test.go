package rollback_test

import (
	"testing"

	"assay/harness/harnesstest"
	_ "assay/suites/rollback"
)

func TestMain(m *testing.M) { harnesstest.Main(m) }

// TestSuite runs the suite on a real image: go test ./suites/rollback -args -image=PATH
func TestSuite(t *testing.T) { harnesstest.Suite(t, "rollback") }
