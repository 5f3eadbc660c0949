package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "usr-read-only", Title: "/usr, /bin and /sbin cannot be written", Run: usrReadOnly,
})

// usrScript tries to make a file in each folder and prints those where it
// could, then how the file system of /usr is mounted.
const usrScript = `
for d in /usr /usr/bin /usr/lib /bin /sbin /usr/etc; do
	[ -d "$d" ] || continue
	f="$d/.assay-write-probe"
	if (: > "$f") 2>/dev/null; then rm -f "$f"; echo "written $d"; fi
done
findmnt -n -o TARGET,SOURCE,FSTYPE,OPTIONS -T /usr 2>/dev/null | sed 's/^/mount /'
exit 0`

func usrReadOnly(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", usrScript)
	if err != nil {
		return err
	}
	var written []string
	var target, fstype, options string
	for _, l := range probe.Lines(out) {
		switch f := strings.Fields(l); {
		case f[0] == "written" && len(f) == 2:
			written = append(written, f[1])
		case f[0] == "mount" && len(f) >= 5:
			target, fstype, options = f[1], f[3], f[4]
		}
	}
	open := options != "" && !hasOption(options, "ro") && !sealedType(fstype)
	if len(written) > 0 || open {
		if err := deployments.RootKept(ctx, t); err != nil {
			return err
		}
	}
	if len(written) > 0 {
		how := ""
		if target != "" {
			how = " (" + fstype + " mounted on " + target + " with " + options + ")"
		}
		return check.Failf("files can be made in %s: the tree is not read-only%s", probe.Some(written), how)
	}
	// Where nothing could be written for another reason than a read-only mount,
	// the next remount would open it.
	if open {
		return check.Failf("/usr is on a file system mounted read-write (%s on %s with %s)", fstype, target, options)
	}
	return nil
}

// sealedType are file systems that cannot be written at all.
func sealedType(fstype string) bool {
	return fstype == "erofs" || fstype == "squashfs" || fstype == "composefs"
}

func hasOption(options, want string) bool {
	for _, o := range strings.Split(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}
