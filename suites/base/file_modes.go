package base

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "file-modes", Title: "no file is writable by everyone, and only known programs run with their owner's rights", Run: fileModes,
	Limit: 3 * time.Minute,
})

// modeScript walks what the image brought, once, and prints files and folders
// that everyone may write and files that are setuid or setgid. Container
// storage has files of other systems.
const modeScript = `
find /usr /etc /var /boot -xdev \
	\( -path /var/lib/containers -o -path /var/lib/docker -o -path /var/lib/containerd -o -path '*/.local/share/containers' \) -prune -o \
	\( -type f -perm /6002 -o -type d -perm -0002 ! -perm -1000 \) -printf '%m %y %u %g %p\n' 2>/dev/null
exit 0`

// ownerScript says of each file whether a package brings it. A merged /usr is
// known to some packages by the old names.
const ownerScript = `
for f in "$@"; do
	if command -v rpm >/dev/null 2>&1 && rpm -qf "$f" >/dev/null 2>&1; then echo "$f"; continue; fi
	if command -v dpkg-query >/dev/null 2>&1; then
		if dpkg-query -S "$f" >/dev/null 2>&1 || dpkg-query -S "${f#/usr}" >/dev/null 2>&1; then echo "$f"; fi
	fi
done
exit 0`

// privileged are programs that distributions ship setuid or setgid, by name.
var privileged = set(`
	at batch bwrap chage chfn chsh cockpit-session crontab dbus-daemon-launch-helper doas dotlockfile
	expiry fusermount fusermount3 gpasswd grub2-set-bootflag krb5_child ksu ldap_child locate lockdev
	mail-lock mail-touchlock mail-unlock mlocate mount mount.cifs mount.ecryptfs_private mount.nfs netreport
	newgidmap newgrp newuidmap ntfs-3g p11_child pam_extrausers_chkpwd pam_timestamp_check passwd ping ping6
	pkexec plocate polkit-agent-helper-1 pppd proxy_child screen selinux_child slapper ssh-agent ssh-keysign
	sssd_pam staprun su sudo sudoedit sudoreplay suexec traceroute6 umount unix_chkpwd unix_update
	userhelper usernetctl utempter vmware-user-suid-wrapper wall write write.ul bsd-write chkpwd`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

func fileModes(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, 2*time.Minute, "find", modeScript)
	if err != nil {
		return err
	}
	var open, raised []string
	modes := map[string]string{}
	for _, l := range strings.Split(out, "\n") {
		f := strings.SplitN(l, " ", 5)
		if len(f) != 5 {
			continue
		}
		mode, kind, owner, group, name := f[0], f[1], f[2], f[3], f[4]
		if len(mode) > 0 && strings.ContainsRune("2367", rune(mode[len(mode)-1])) {
			what := "file"
			if kind == "d" {
				what = "folder without sticky bit"
			}
			open = append(open, fmt.Sprintf("%s %s (mode %s)", what, name, mode))
			continue
		}
		if !privileged[path.Base(name)] {
			raised = append(raised, name)
			modes[name] = mode + " " + owner + ":" + group
		}
	}
	if len(open) > 0 {
		return check.FailWith(strings.Join(open, "\n"), "everyone may write the %s", probe.Some(open))
	}
	return strayPrograms(ctx, t, raised, modes)
}

// strayPrograms fails for privileged programs that no package accounts for. A
// package's own are its maintainers' decision; they are noted.
func strayPrograms(ctx context.Context, t *check.T, raised []string, modes map[string]string) error {
	if len(raised) == 0 {
		return nil
	}
	out, err := probe.OutputWithin(ctx, t, time.Minute, "sh", ownerScript, raised...)
	if err != nil {
		return err
	}
	owned := map[string]bool{}
	for _, l := range probe.Lines(out) {
		owned[l] = true
	}
	var stray []string
	for _, f := range raised {
		if owned[f] {
			t.Log("%s runs with its owner's rights (%s), as its package says", f, modes[f])
		} else {
			stray = append(stray, fmt.Sprintf("%s (%s)", f, modes[f]))
		}
	}
	if len(stray) > 0 {
		return check.FailWith(strings.Join(stray, "\n"), "setuid or setgid and of no package: %s", probe.Some(stray))
	}
	return nil
}
