// Package harness judges one image: it plans which checks run in which guests,
// boots the image once, saves it, forks a guest for every group of checks, runs
// each group in a child process, retries what the infrastructure spoiled, and
// folds everything into one result.
//
// It never says by itself what a check's answer means (suites/check does) nor
// how results look (reports does). It needs libvirt, QEMU and qemu-img on the
// host; see `assay doctor`.
package harness
