package deployments

import (
	"context"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// ReleaseScript prints which version the tree that runs says it is. The field is
// written when a tree is composed (rpm-ostree's mutate-os-release, and its like);
// VERSION_ID and others count releases, not trees.
const ReleaseScript = `
for f in /usr/lib/os-release /etc/os-release; do [ -r "$f" ] && break; done
sed -n 's/^OSTREE_VERSION=//p' "$f" 2>/dev/null | tail -n 1
exit 0`

// TellsVersion wants the booted tree to call itself what its commit is called.
// The version of a container image is a label that everyone may change who
// builds upon it: a skip.
func TellsVersion(ctx context.Context, t *check.T) error {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return err
	}
	if len(found.Drivers) == 0 {
		return check.Skipf("the image ships no tool that manages deployments")
	}
	h := Host{found.Drivers[0], t}
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return Judge(err)
	}
	out, err := probe.Output(ctx, t, "sed", ReleaseScript)
	if err != nil {
		return err
	}
	told := strings.Trim(strings.TrimSpace(out), `"'`)
	switch {
	case booted.Image != nil:
		return check.Skipf("the host follows a container image, whose version is a label and not its tree's")
	case told == "":
		return check.Skipf("os-release has no OSTREE_VERSION to compare with")
	case booted.Version == "":
		return check.FailWith(List(s), "os-release says OSTREE_VERSION=%s, and the booted commit %s carries no version", told, Describe(booted))
	case told != booted.Version:
		return check.FailWith(List(s), "the booted commit is version %s, and the tree in it says OSTREE_VERSION=%s: version or tree is of another build", booted.Version, told)
	}
	return nil
}
