package deployments

import (
	"context"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

// LockScript prints what the image's configuration says of LockLayering. The
// daemon reads this file alone, and of what it says more than once the last counts.
const LockScript = `sed -n 's/^[[:space:]]*LockLayering[[:space:]]*=[[:space:]]*//p' /etc/rpm-ostreed.conf 2>/dev/null | tail -n 1
exit 0`

// MayLayer is nil unless the image's configuration forbids package layering, on
// purpose: then the promise is not made for it.
func MayLayer(ctx context.Context, g guest.Guest) error {
	out, err := probe.Output(ctx, g, "sh", LockScript)
	if err != nil {
		return err
	}
	switch strings.TrimSpace(out) {
	case "true", "1": // GKeyFile's; what is neither this nor false is ignored with a warning
		return check.Inapplicablef("the image's configuration forbids layering (LockLayering)")
	}
	return nil
}
