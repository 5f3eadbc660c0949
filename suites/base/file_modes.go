package base

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "file-modes", Title: "no file is writable by everyone, the system's are root's, and only known programs run with their owner's rights", Run: fileModes,
	Limit: 3 * time.Minute,
})

// modeScript walks what the image brought, once, and prints files and folders
// that everyone may write and files that are setuid or setgid. In /usr and /etc
// it also prints what a group other than root may write, or somebody owns who is
// an ordinary user or will be one; what /usr/etc has is in /etc by the name that
// packages know. Container storage has files of other systems.
const modeScript = `
find /usr /etc /var /boot /bin /sbin /lib /lib64 -xdev \
	\( -path /var/lib/containers -o -path /var/lib/docker -o -path /var/lib/containerd -o -path '*/.local/share/containers' -o -path '*/overlay/*/diff' \) -prune -o \
	\( \( -type f -perm /6002 -o -type d -perm -0002 ! -perm -1000 \) -printf '%m %y %u %g %p\n' , \
	\( -path '/usr/*' ! -path '/usr/etc/*' -o -path '/etc/*' \) -type f \( -uid +999 -uid -60000 -printf 'foreign %m %U %g %p\n' -o \
	-perm -0020 ! -gid 0 -printf 'loose %m %U %g %p\n' \) \) 2>/dev/null
exit 0`

// ownerScript says of each file whether a package brings it ("owned"), and of
// rpm's packages with which mode and whether rpm -V would compare that: a package
// that lets a tool of the distribution's set modes has it left out. A merged /usr
// is known to some packages by the old names.
const ownerScript = `
rpms() {
	for f in "$@"; do rpm -qf "$f" >/dev/null 2>&1 && echo "owned $f"; done
	rpm -qf --qf '[packaged %{FILEMODES:octal} %{FILEVERIFYFLAGS} %{FILENAMES}\n]' "$@" 2>/dev/null | while read -r word mode flags name; do
		for f in "$@"; do
			[ "${f##*/}" = "${name##*/}" ] && echo "$word $mode $flags $name"
		done
	done
}
command -v rpm >/dev/null 2>&1 && rpms "$@"
if command -v dpkg-query >/dev/null 2>&1; then
	for f in "$@"; do
		if dpkg-query -S "$f" >/dev/null 2>&1 || dpkg-query -S "${f#/usr}" >/dev/null 2>&1; then echo "owned $f"; fi
	done
fi
exit 0`

// verifiesMode is RPMVERIFY_MODE of a file's verification flags.
// Source: rpm, include/rpm/rpmvf.h.
const verifiesMode = 1 << 6

// privileged are programs that distributions ship setuid or setgid, by name, in
// programFolders. The same name elsewhere is anybody's.
var privileged = set(`
	at batch bwrap chage chfn chsh cockpit-session crontab dbus-daemon-launch-helper doas dotlockfile
	expiry fusermount fusermount3 gpasswd grub2-set-bootflag krb5_child ksu ldap_child locate lockdev
	mail-lock mail-touchlock mail-unlock mlocate mount mount.cifs mount.ecryptfs_private mount.nfs netreport
	newgidmap newgrp newuidmap ntfs-3g p11_child pam_extrausers_chkpwd pam_timestamp_check passwd ping ping6
	pkexec plocate polkit-agent-helper-1 pppd proxy_child screen selinux_child slapper ssh-agent ssh-keysign
	sssd_pam staprun su sudo sudoedit sudoreplay suexec traceroute6 umount unix_chkpwd unix_update
	userhelper usernetctl utempter vmware-user-suid-wrapper wall write write.ul bsd-write chkpwd`)

// programFolders are where a distribution's own programs are.
var programFolders = regexp.MustCompile(`^(/usr)?/(bin|sbin|lib[^/]*)/`)

// anything are programs that do whatever they are told: with their owner's
// rights they hand these to everybody, whoever packaged them.
var anything = regexp.MustCompile(`^((ba|da|z|k|mk|c|tc|fi|a)?sh|rbash|ksh93|cp|mv|tee|find|dd|env|vi|vim([.-].*)?|nvim|nano|ed|emacs([.-].*)?|` +
	`(python|perl|ruby|lua)[0-9.]*)$`)

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
	var open, raised, foreign, loose []string
	modes := map[string]string{}
	for _, l := range strings.Split(out, "\n") {
		f := strings.SplitN(l, " ", 5)
		if len(f) != 5 {
			continue
		}
		switch f[0] {
		case "foreign":
			foreign = append(foreign, fmt.Sprintf("%s (user %s)", f[4], f[2]))
			continue
		case "loose":
			loose = append(loose, f[4])
			modes[f[4]] = f[1] + " " + f[2] + ":" + f[3]
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
		if !privileged[path.Base(name)] || !programFolders.MatchString(name) {
			raised = append(raised, name)
			modes[name] = mode + " " + owner + ":" + group
		}
	}
	if len(open) > 0 {
		return check.FailWith(strings.Join(open, "\n"), "everyone may write the %s", probe.Some(open))
	}
	if len(foreign) > 0 {
		return check.FailWith(strings.Join(foreign, "\n"), "files of the system belong to an ordinary user, or to whoever is made one: %s", probe.Some(foreign))
	}
	if err := strayLoose(ctx, t, loose, modes); err != nil {
		return err
	}
	return strayPrograms(ctx, t, raised, modes)
}

// strayLoose fails for files of the system that a group may write and that no
// package accounts for. A package's own are noted.
func strayLoose(ctx context.Context, t *check.T, loose []string, modes map[string]string) error {
	if len(loose) == 0 {
		return nil
	}
	const asked = 200 // of a tree that is wrong as a whole, some will do
	out, err := probe.OutputWithin(ctx, t, time.Minute, "sh", ownerScript, loose[:min(asked, len(loose))]...)
	if err != nil {
		return err
	}
	owned, _ := owners(out)
	var stray []string
	for _, f := range loose[:min(asked, len(loose))] {
		if owned[f] {
			t.Log("%s is writable by a group (%s), as its package says", f, modes[f])
			continue
		}
		stray = append(stray, fmt.Sprintf("%s (%s)", f, modes[f]))
	}
	if len(stray) > 0 {
		return check.FailWith(strings.Join(stray, "\n"), "a group other than root may write files of the system, which are of no package: %s", probe.Some(stray))
	}
	return nil
}

// strayPrograms fails for privileged programs that no package accounts for, or
// whose package did not make them so. A package's own are its maintainers'
// decision; they are noted.
func strayPrograms(ctx context.Context, t *check.T, raised []string, modes map[string]string) error {
	if len(raised) == 0 {
		return nil
	}
	out, err := probe.OutputWithin(ctx, t, time.Minute, "sh", ownerScript, raised...)
	if err != nil {
		return err
	}
	owned, packaged := owners(out)
	var stray, changed []string
	for _, f := range raised {
		actual, _, _ := strings.Cut(modes[f], " ")
		said, judged := packaged[placeOf(f)]
		switch {
		case !owned[f]:
			stray = append(stray, fmt.Sprintf("%s (%s)", f, modes[f]))
		case judged && raisedBits(actual)&^said != 0, !judged && anything.MatchString(path.Base(f)):
			changed = append(changed, fmt.Sprintf("%s (%s)", f, modes[f]))
		default:
			t.Log("%s runs with its owner's rights (%s), as its package says", f, modes[f])
		}
	}
	switch all := strings.Join(append(slices.Clone(stray), changed...), "\n"); {
	case len(stray) > 0:
		return check.FailWith(all, "setuid or setgid and of no package: %s", probe.Some(stray))
	case len(changed) > 0:
		return check.FailWith(all, "setuid or setgid and not meant to be by its package: %s; take it away with chmod u-s,g-s", probe.Some(changed))
	}
	return nil
}

// mergedFolder begins a path that a merged /usr, or a merged bin, gave another
// beginning; packages are not built again for that.
var mergedFolder = regexp.MustCompile(`^(?:/usr)?/(?:bin|sbin)/`)

// placeOf is a path as it is compared with those of packages: the same for /sbin/x
// and /usr/bin/x.
func placeOf(name string) string {
	if m := mergedFolder.FindString(name); m != "" {
		return "/bin/" + name[len(m):]
	}
	return strings.TrimPrefix(name, "/usr")
}

// owners reads what ownerScript prints: the files of packages, and by their place
// the setuid and setgid bits that rpm's packages have for them. Nothing is said of a
// file whose mode one of its packages leaves to others.
func owners(out string) (owned map[string]bool, packaged map[string]int64) {
	owned, packaged = map[string]bool{}, map[string]int64{}
	left := map[string]bool{}
	for _, l := range probe.Lines(out) {
		if name, ok := strings.CutPrefix(l, "owned "); ok {
			owned[name] = true
			continue
		}
		f := strings.SplitN(l, " ", 4)
		if len(f) != 4 || f[0] != "packaged" {
			continue
		}
		place := placeOf(f[3])
		if flags, err := strconv.ParseInt(f[2], 10, 64); err == nil && flags&verifiesMode != 0 {
			packaged[place] |= raisedBits(f[1])
		} else {
			left[place] = true
		}
	}
	for place := range left {
		delete(packaged, place)
	}
	return owned, packaged
}

// raisedBits are the setuid and setgid bits of a mode in octal.
func raisedBits(mode string) int64 {
	m, _ := strconv.ParseInt(mode, 8, 64) // what is no number has no bits
	return m & 0o6000
}
