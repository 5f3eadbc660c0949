package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

// selinuxScript prints the mode now, the mode configured and the kernel's
// command line. An image without SELinux has neither /etc/selinux/config nor a
// policy (a bare folder is left by libraries on systems that never had it).
const selinuxScript = `
policy() {
	for f in /etc/selinux/*/policy/policy.* /usr/etc/selinux/*/policy/policy.*; do [ -f "$f" ] && return 0; done
	return 1
}
if [ ! -f /etc/selinux/config ]; then
	policy || exit 127
	echo 'noconfig=1'
fi
mode=$(getenforce 2>/dev/null) || mode=Disabled
echo "mode=$mode"
[ -f /etc/selinux/config ] && sed -n 's/^SELINUX=/configured=/p' /etc/selinux/config
tr ' ' '\n' < /proc/cmdline | sed -n 's/^\(selinux\|enforcing\)=/\1=/p'`

// selinuxMode is "Enforcing", "Permissive" or "Disabled", and the rest of what
// selinuxScript says. It skips where the image ships no policy.
func selinuxMode(ctx context.Context, t *check.T) (string, map[string]string, error) {
	out, err := probe.Output(ctx, t, "SELinux policy", selinuxScript)
	if err != nil {
		return "", nil, err
	}
	p := probe.Pairs(out)
	return p["mode"], p, nil
}

// needSELinux skips where SELinux does not run: its absence is
// selinux-enforcing's to judge.
func needSELinux(ctx context.Context, t *check.T) error {
	mode, _, err := selinuxMode(ctx, t)
	if err != nil {
		return err
	}
	if mode == "Disabled" {
		return check.Skipf("SELinux is disabled")
	}
	return nil
}

// contextType is the type of a label: "user:role:TYPE:level".
func contextType(label string) string {
	parts := strings.SplitN(label, ":", 4)
	if len(parts) < 3 {
		return label
	}
	return parts[2]
}
