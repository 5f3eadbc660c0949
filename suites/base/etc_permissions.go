package base

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "etc-permissions", Title: "account, sudo and SSH files are root's, and secrets are readable by root alone", Run: etcPermissions,
})

const etcScript = `
for f in /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- \
	/etc/sudoers /etc/sudoers.d/* /etc/ssh/sshd_config /etc/ssh/sshd_config.d/* /etc/ssh/ssh_host_*_key \
	/etc/fstab /etc/hosts /etc/crontab /etc/pam.d/* /etc/crypttab /etc/ostree/remotes.d/*; do
	[ -f "$f" ] && stat -L -c '%a %U %G %n' "$f"
done
exit 0`

func etcPermissions(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "stat", etcScript)
	if err != nil {
		return err
	}
	var bad []string
	seen := map[string]bool{}
	for _, l := range probe.Lines(out) {
		f := strings.SplitN(l, " ", 4)
		if len(f) != 4 {
			continue
		}
		mode, err := strconv.ParseUint(f[0], 8, 32)
		if err != nil {
			return fmt.Errorf("cannot read the mode in %q: %w", l, err)
		}
		seen[f[3]] = true
		if why := etcComplaint(f[3], mode, f[1], f[2]); why != "" {
			bad = append(bad, why)
		}
	}
	for _, must := range []string{"/etc/passwd", "/etc/group"} {
		if !seen[must] {
			bad = append(bad, must+" does not exist")
		}
	}
	if len(bad) > 0 {
		return check.FailWith(strings.Join(bad, "\n"), "%s", probe.Some(bad))
	}
	return nil
}

// etcComplaint says what is wrong with a file's mode and owner; empty is nothing.
func etcComplaint(name string, mode uint64, owner, group string) string {
	is := fmt.Sprintf("%s is %04o %s:%s", name, mode, owner, group)
	base := path.Base(name)
	switch {
	case owner != "root":
		return is + ", not root's"
	case strings.TrimSuffix(base, "-") == "shadow", strings.TrimSuffix(base, "-") == "gshadow":
		// 0000 or 0600 where nobody else reads it, 0640 for a group shadow.
		if mode&0o007 != 0 || mode&0o030 != 0 || (mode&0o040 != 0 && group != "shadow") {
			return is + ": password hashes are open to others than root"
		}
	case strings.HasPrefix(base, "ssh_host_") && strings.HasSuffix(base, "_key"):
		if mode&0o007 != 0 || mode&0o030 != 0 || (mode&0o040 != 0 && group != "ssh_keys") {
			return is + ": the private host key is open to others than root"
		}
	case base == "passwd", base == "group":
		if mode != 0o644 {
			return is + ", not 0644"
		}
	case mode&0o022 != 0:
		return is + ", writable by others than root"
	}
	return ""
}
