// Package all registers every suite: a program that imports it can run any
// check. It holds nothing else.
package all

import (
	_ "assay/suites/base"
	_ "assay/suites/cloudinit"
	_ "assay/suites/containers"
	_ "assay/suites/deploy"
	_ "assay/suites/layering"
	_ "assay/suites/powercut"
	_ "assay/suites/rollback"
	_ "assay/suites/runtime"
	_ "assay/suites/storage"
	_ "assay/suites/syscontainers"
	_ "assay/suites/upgrade"
)
