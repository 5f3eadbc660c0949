// Package base is the criterion every image must meet before anything else is
// worth asking (S0): the system is up and quiet, its tree is read-only, its
// identity is its own, nobody gets in with a default password, and what it
// keeps it keeps over a reboot.
//
// Each file is one check. Checks run in a fork of the first boot and leave it
// as it was; those that reboot or might break the guest are isolated, those of
// identity compare a second first boot of the image.
//
// They hold for every ostree host: no package format, init script, container
// runtime or security module is assumed. What a question needs and the image
// lacks makes it a skip.
package base

import "assay/suites/check"

var suite = check.Suite{
	Name:      "base",
	Criterion: "S0",
	Title:     "the system is up, quiet, read-only, its own and closed",
}
