package host

import (
	"context"
	"fmt"
	"strings"

	"assay/harness/guest"
)

// PrepareRoot is what an image tells ostree's prepare-root to make of the root
// file system at each boot (ostree-prepare-root(1)). An image without such a
// configuration has the zero value.
type PrepareRoot struct {
	// Signed: a deployment boots only if its commit is signed by a key of the
	// image's (composefs=signed).
	Signed bool
	// RootTransient: the root, and /usr in it, takes files until the next boot.
	RootTransient bool
	// EtcTransient: what is changed in /etc is gone at the next boot.
	EtcTransient bool
}

// prepareRootScript prints the configuration and the kernel's arguments. Of the
// two files the last that is there replaces the other as a whole, since GKeyFile
// forgets what it held (otcore_load_config).
const prepareRootScript = `for f in /etc/ostree/prepare-root.conf /usr/lib/ostree/prepare-root.conf; do
	[ -e "$f" ] && { sed 's/^/conf /' "$f"; echo; break; }
done
sed 's/^/args /' /proc/cmdline
exit 0`

// ReadPrepareRoot reads a guest's PrepareRoot.
func ReadPrepareRoot(ctx context.Context, g guest.Guest) (PrepareRoot, error) {
	out, err := guest.Output(ctx, g, "sh", "-c", prepareRootScript)
	if err != nil {
		return PrepareRoot{}, fmt.Errorf("cannot read how the guest's root is put together: %w", err)
	}
	return parsePrepareRoot(out), nil
}

// parsePrepareRoot takes GKeyFile's words alone for true. A kernel argument goes
// before the file, and any other value of it than "signed" wants no signature.
func parsePrepareRoot(text string) (p PrepareRoot) {
	const karg = "ostree.prepare-root.composefs="
	group := ""
	for _, l := range strings.Split(text, "\n") {
		if args, ok := strings.CutPrefix(l, "args "); ok {
			for _, a := range strings.Fields(args) {
				if value, ok := strings.CutPrefix(a, karg); ok {
					p.Signed = value == "signed"
				}
			}
			continue
		}
		l, ok := strings.CutPrefix(l, "conf ")
		l = strings.TrimSpace(l)
		if !ok || l == "" || l[0] == '#' {
			continue
		}
		if l[0] == '[' {
			group = strings.Trim(l, "[]")
			continue
		}
		key, value, _ := strings.Cut(l, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		set := value == "true" || value == "1"
		switch group + "." + key {
		case "composefs.enabled":
			p.Signed = value == "signed"
		case "root.transient":
			p.RootTransient = set
		case "etc.transient":
			p.EtcTransient = set
		}
	}
	return p
}
