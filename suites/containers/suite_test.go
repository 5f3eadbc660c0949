package containers_test

import (
	"testing"

	"assay/harness/harnesstest"
	_ "assay/suites/containers"
)

func TestMain(m *testing.M) { harnesstest.Main(m) }

// TestSuite runs the suite on a real image: go test ./suites/containers -args -image=PATH
func TestSuite(t *testing.T) { harnesstest.Suite(t, "containers") }
