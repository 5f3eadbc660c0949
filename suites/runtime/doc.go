// Package runtime is the criterion of the container runtime's service (S3): it
// starts, comes back after a restart, a crash and a reboot, and stands on an
// OCI runtime, cgroups and filters that fit the host.
//
// docker is a daemon, podman is none: what concerns a daemon is asked of
// podman's socket where there is a like of it, and skipped where not.
package runtime

import "assay/suites/check"

var suite = check.Suite{
	Name:      "runtime",
	Criterion: "S3",
	Title:     "the container runtime starts and survives restart, crash and reboot",
}

// Purposes of images in check.Env.Registry.
const (
	busybox = "busybox"
	httpd   = "httpd"
)
