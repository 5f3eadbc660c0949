package base

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

// Some healthy images have a few files that their own policy would label
// otherwise, hence advisory.
var _ = check.Register(suite, check.Check{
	Name: "selinux-relabel", Title: "a relabelling would change no file of the system", Advisory: true, Run: selinuxRelabel,
	Limit: 6 * time.Minute,
})

// relabelScript exits with 127 where restorecon is not there or does not know what
// it is asked with, with 1 where it cannot tell a label at all: else its last line
// is how it ended, with 255 when single files were not to be had. It leaves out
// containers' storage, whose files carry the labels of their containers, and what
// is no folder: restorecon complains of those.
const relabelScript = `command -v restorecon >/dev/null 2>&1 || exit 127
for d in /var/lib/containers /var/lib/docker /var/lib/containerd /var/lib/kubelet; do
	[ -d "$d" ] && set -- "$@" -e "$d"
done
said=$(restorecon -vnr "$@" /etc/passwd 2>&1 >/dev/null) || {
	printf '%s\n' "$said" >&2
	case $said in *[Uu]sage:*|*"invalid option"*|*[Uu]nrecognized*) exit 127;; esac
	exit 1
}
{ restorecon -vnr "$@" /etc /var /usr /boot 2>/dev/null; echo "ended $?"; } | sed -n -e '1,200{p;d;}' -e '$p'`

func selinuxRelabel(ctx context.Context, t *check.T) error {
	if err := needSELinux(ctx, t); err != nil {
		return err
	}
	r, err := probe.Run(ctx, t, 5*time.Minute, relabelScript)
	switch {
	case err != nil:
		return err
	case r.Exit == probe.Missing && r.Stderr == "":
		return probe.NotShipped("restorecon")
	case r.Exit == probe.Missing:
		return check.Skipf("the image's restorecon cannot show what it would change: %s", probe.OneLine(r.Stderr))
	case !r.OK():
		return check.FailWith(r.Stderr, "restorecon cannot tell the label of /etc/passwd: %s", probe.OneLine(r.Said()))
	}
	files, end := probe.Lines(r.Stdout), ""
	if n := len(files); n > 0 && strings.HasPrefix(files[n-1], "ended ") {
		files, end = files[:n-1], files[n-1]
	}
	switch {
	case len(files) > 0:
		return check.FailWith(r.Stdout, "restorecon would change the label of %d files: %s", len(files), probe.OneLine(files[0]))
	case end != "ended 0" && end != "ended 1" && end != "ended 255":
		return check.Infraf("restorecon was cut off: %q", end)
	}
	return nil
}
