package base

import (
	"context"
	"fmt"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "selinux-labels", Title: "files and processes carry the SELinux labels that the policy gives them", Run: selinuxLabels,
	Limit: 5 * time.Minute,
})

// fileLabels are the files whose labels much depends on; those an image does
// not ship are passed over.
var fileLabels = map[string]string{
	"/etc/hosts":               "net_conf_t",
	"/etc/passwd":              "passwd_file_t",
	"/etc/shadow":              "shadow_t",
	"/etc/machine-id":          "machineid_t",
	"/usr/bin/ostree":          "install_exec_t",
	"/usr/bin/rpm-ostree":      "install_exec_t",
	"/usr/bin/bootc":           "install_exec_t",
	"/usr/sbin/sshd":           "sshd_exec_t",
	"/usr/sbin/NetworkManager": "NetworkManager_exec_t",
}

// processLabels are the domains of processes that must not run unconfined or
// as their starter.
var processLabels = map[string]string{
	"sshd":           "sshd_t",
	"NetworkManager": "NetworkManager_t",
	rpmOSTreeDaemon:  "install_t",
}

// rpmOSTreeDaemon is what labelScript calls the daemon, whose program is also a
// command that users run. It comes when asked and goes by itself.
const rpmOSTreeDaemon = "rpm-ostreed"

// labelScript prints labels of files ($@), of processes, and of files that no
// policy labelled; at last the status of find, or that it knows nothing of labels.
// default_t is what a policy gives to paths that it has no rule for, as it has
// none for ostree's physical root: there it is right. Of that root is left out
// what is seen under another name or by nobody: the repository's objects (deployed
// ones are the deployments' files), /var of all deployments together, each
// deployment's /etc and mount point of /var, which old versions of systemd leave
// unlabelled folders under, and storage of containers. mkfs makes lost+found,
// before there is a policy.
const labelScript = `
for f in "$@"; do [ -e "$f" ] && stat -c 'file %C %n' "$f"; done
ps -eo label=,comm= 2>/dev/null | sed 's/^/process /'
if command -v rpm-ostree >/dev/null 2>&1 && rpm-ostree status >/dev/null 2>&1; then
	ps -eo label=,args= 2>/dev/null | sed -n 's/^\([^ ]*\)  *[^ ]*rpm-ostree start-daemon *$/process \1 rpm-ostreed/p'
fi
find / -maxdepth 0 -regextype posix-extended -context '*' -printf '' 2>/dev/null || { echo unable; exit 0; }
{ find /etc /var /boot /sysroot -xdev -regextype posix-extended \( -path /var/lib/containers -o -path /var/lib/docker -o \
	-path /sysroot/ostree/repo/objects -o -path /sysroot/composefs -o -path /sysroot/ostree/bootc/storage -o \
	-regex '/sysroot/(ostree|state)/(deploy|os)/[^/]+/var' -o -regex '/sysroot/ostree/deploy/[^/]+/deploy/[^/]+/(etc|var)' -o \
	-regex '/(boot|sysroot)/lost[+]found' \) -prune -o \
	\( -context '*:unlabeled_t:*' -o -context '*:unlabeled_t' -o -context '*:default_t:*' ! -path /sysroot ! -path '/sysroot/*' \) \
	-printf 'unlabelled %Z %p\n' 2>/dev/null; echo "ended $?"; } | sed -n -e '1,100{p;d;}' -e '$p'`

func selinuxLabels(ctx context.Context, t *check.T) error {
	if err := needSELinux(ctx, t); err != nil {
		return err
	}
	files := make([]string, 0, len(fileLabels))
	for f := range fileLabels {
		files = append(files, f)
	}
	out, err := probe.OutputWithin(ctx, t, 4*time.Minute, "sh", labelScript, files...)
	if err != nil {
		return err
	}
	bad, end := wrongLabels(out)
	switch {
	case len(bad) > 0:
		return check.FailWith(strings.Join(bad, "\n"), "wrong SELinux labels: %s", probe.Some(bad))
	case end == "unable":
		return check.Skipf("the image's find cannot look for labels: the few files asked by name, and processes, have theirs")
	case end != "ended 0" && end != "ended 1": // 1: a file went away meanwhile
		return check.Infraf("find was cut off while it looked for files without a label: %q", end)
	}
	return nil
}

// wrongLabels is what labelScript's words speak of wrong labels, and the line on
// how it ended.
func wrongLabels(out string) (bad []string, end string) {
	for _, l := range probe.Lines(out) {
		kind, rest, _ := strings.Cut(l, " ")
		label, name, _ := strings.Cut(strings.TrimSpace(rest), " ")
		name = strings.TrimSpace(name)
		switch kind {
		case "file":
			// Fedora's policy knew machine-id as etc_runtime_t until 2017.
			if want := fileLabels[name]; contextType(label) != want && !(name == "/etc/machine-id" && contextType(label) == "etc_runtime_t") {
				bad = append(bad, fmt.Sprintf("%s is %s, not %s", name, contextType(label), want))
			}
		case "process":
			if want := processLabels[name]; want != "" && contextType(label) != want {
				// A session's sshd runs in the user's domain.
				if name == "sshd" && strings.HasPrefix(contextType(label), "unconfined") {
					continue
				}
				bad = append(bad, fmt.Sprintf("process %s runs as %s, not %s", name, contextType(label), want))
			}
		case "unlabelled":
			bad = append(bad, fmt.Sprintf("%s has no label of its own (%s)", name, contextType(label)))
		case "ended", "unable":
			end = l
		}
	}
	return bad, end
}
