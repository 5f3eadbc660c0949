// Package storage is the criterion of container storage (S2): the pool of
// whatever engine the image ships is set up as its configuration says, on a
// driver that is fit for use, and outlives a reboot.
//
// docker-storage-setup's logical volumes and overlay are equal here; what an
// image does not use is skipped.
package storage

import "assay/suites/check"

var suite = check.Suite{
	Name:      "storage",
	Criterion: "S2",
	Title:     "container storage is set up, on a fit driver, and lasts",
}

// busybox is the purpose of the image that is stored to see.
const busybox = "busybox"
