package base

import (
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

// It reads every object of the repository, which takes a disk's time and, where
// the processor is emulated, minutes: hence the label. fsck marks commits whose
// objects it misses, and the next one speaks of those marks: hence the guest of
// its own.
var _ = check.Register(suite, check.Check{
	Name: "ostree-repository", Title: "every object of the ostree repository that the image ships is what its checksum says",
	Tools: []host.Tool{host.OSTree}, Isolated: true, Labels: []string{"slow"}, Limit: 10 * time.Minute, Run: deployments.Sound,
})
