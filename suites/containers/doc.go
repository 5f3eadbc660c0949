// Package containers is the criterion of running containers (S4): whatever
// engine the image ships pulls, runs, limits, builds and removes them.
//
// Each check asks every engine of the guest and says which one failed. Images
// come from the registry that the harness serves; an image is pulled once per
// guest. What a check makes carries a name of its own and is taken away again.
package containers

import "assay/suites/check"

var suite = check.Suite{
	Name:      "containers",
	Criterion: "S4",
	Title:     "containers are pulled, run, limited, built and removed",
	Divisible: true,
}

// Purposes of images in check.Env.Registry.
const (
	busybox = "busybox"
	httpd   = "httpd"
)

// testPage is in the page that the web server image serves on port 80.
const testPage = "ASSAY TEST PAGE"
