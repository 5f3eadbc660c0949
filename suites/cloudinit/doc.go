// Package cloudinit is the criterion of the guest's first configuration (S9):
// cloud-init found the seed it was given, did all of it without complaint, and
// does it once only.
//
// What the seed holds is in check.Env. An image without cloud-init skips all.
// Mostly the files are read that cloud-init leaves: every version writes them,
// and starting cloud-init's command costs seconds under emulation.
package cloudinit

import "assay/suites/check"

var suite = check.Suite{
	Name:      "cloud-init",
	Criterion: "S9",
	Title:     "cloud-init does what the seed says, once and without complaint",
}

// need begins every script: without cloud-init nothing is asked.
const need = `
command -v cloud-init >/dev/null 2>&1 || [ -e /usr/lib/systemd/system/cloud-init.service ] || [ -e /usr/lib/systemd/system/cloud-init-local.service ] || exit 127
`
