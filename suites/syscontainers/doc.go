// Package syscontainers is the criterion of system containers (S10): an image
// is pulled to the host's storage, installed with settings as a unit of the
// host, started, reached over the network; it outlives reboot and upgrade, can
// be updated and set back, and leaves nothing behind.
//
// The same promises are asked of each way that the image has to do it: the
// atomic program with ostree storage, and podman's Quadlet. The container is
// the harness's own: it answers "Hi" and its setting RECEIVER on port PORT.
package syscontainers

import "assay/suites/check"

var suite = check.Suite{
	Name:      "system-containers",
	Criterion: "S10",
	Title:     "system containers are installed as units, survive reboot and upgrade, and leave nothing behind",
}

// system is the purpose of the image in check.Env.Registry.
const system = "system"
