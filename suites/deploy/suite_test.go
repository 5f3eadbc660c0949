package deploy_test

import (
	"testing"

	"assay/harness/harnesstest"
	_ "assay/suites/deploy"
)

func TestMain(m *testing.M) { harnesstest.Main(m) }

// TestSuite runs the suite on a real image: go test ./suites/deploy -args -image=PATH
func TestSuite(t *testing.T) { harnesstest.Suite(t, "deploy") }
