package host

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"assay/harness/guest"
)

// followRemote is the remote that Follow makes in the guest.
const followRemote = "assay"

var branchName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)

// Follow makes upgrades of the booted deployment come from a ref of the ostree
// repository at url, through a remote "assay"; what is layered stays. Signatures
// are checked when verify is set: then an unsigned tree must be refused.
func Follow(ctx context.Context, g guest.Guest, url, ref string, verify bool) error {
	if !branchName.MatchString(ref) {
		return fmt.Errorf("cannot follow ref %q: it is no ostree ref", ref)
	}
	return configure(ctx, g, followScript, followRemote, url, ref, fmt.Sprint(verify), originScript)
}

// followScript makes the remote $1 at $2 and the booted deployment follow its
// ref $3; $4 is gpg-verify. `ostree admin set-origin` writes an origin of that
// alone, so where there is more in it (layered packages, overrides), script $5
// changes it. rpm-ostree's daemon remembers origins.
const followScript = `
booted=$(ostree admin status | sed -n 's,^\* *\([^ /]*\) \([0-9a-f]\{64\}\.[0-9]*\)\( .*\)*$,\1/deploy/\2,p')
file=/sysroot/ostree/deploy/$booted.origin
ostree remote delete --if-exists "$1" || exit
if [ -n "$booted" ] && [ "$(grep -c '^\[' "$file")" -gt 1 ]; then
	ostree remote add --set="gpg-verify=$4" "$1" "$2" && unshare -m sh -c "$5" origin "$file" "$1:$3" || exit
else
	ostree admin set-origin --set="gpg-verify=$4" "$1" "$2" "$3" || exit
fi
! command -v rpm-ostree >/dev/null || rpm-ostree reload`

// originScript has the origin file $1 name the refspec $2 and keeps the rest,
// but what a rebase drops, too: an image that is followed, and that the host is
// not configured. It runs in a mount namespace of its own, as /sysroot may be
// read-only. The folder's time tells other programs that something changed.
const originScript = `
new=$1.assay
[ -w "${1%/*}" ] || mount -o remount,rw /sysroot || exit
key=refspec
grep -q '^baserefspec *=' "$1" && key=baserefspec
cp -a "$1" "$new" || exit
group=
while IFS= read -r line || [ -n "$line" ]; do
	case $line in \[*) group=$line ;; esac
	case $group$line in
	'[origin][origin]') printf '%s\n%s=%s\n' "$line" "$key" "$2" ;;
	'[origin]refspec'[=\ ]*|'[origin]baserefspec'[=\ ]*) ;;
	'[origin]container-image-reference'[=\ ]*|'[origin]unconfigured-state'[=\ ]*) ;;
	*) printf '%s\n' "$line" ;;
	esac
done <"$1" >"$new" || exit
grep -q -x -F -e "$key=$2" "$new" || { echo "error: $1 has no [origin]" >&2; rm -f "$new"; exit 1; }
sync "$new" 2>/dev/null
mv -f "$new" "$1" && touch /sysroot/ostree/deploy`

// TrustRegistry lets tools that use containers-registries.conf(5) fetch images
// from a registry of plain HTTP.
func TrustRegistry(ctx context.Context, g guest.Guest, addr string) error {
	const script = `mkdir -p /etc/containers/registries.conf.d &&
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$1" >/etc/containers/registries.conf.d/50-assay.conf`
	if strings.ContainsAny(addr, "\"\\\n") {
		return fmt.Errorf("cannot trust registry %q: it is no host and port", addr)
	}
	return configure(ctx, g, script, addr)
}

// FollowImage has the guest find the image it follows at another place: name is
// the image with its registry and without a tag, location the same on a
// registry of plain HTTP.
func FollowImage(ctx context.Context, g guest.Guest, name, location string) error {
	const script = `mkdir -p /etc/containers/registries.conf.d &&
printf '[[registry]]\nprefix = "%s"\nlocation = "%s"\ninsecure = true\n' "$1" "$2" >/etc/containers/registries.conf.d/51-assay.conf`
	for _, s := range []string{name, location} {
		if s == "" || strings.ContainsAny(s, "\"\\\n") {
			return fmt.Errorf("cannot redirect image %q to %q: that is no image's name", name, location)
		}
	}
	return configure(ctx, g, script, name, location)
}

func configure(ctx context.Context, g guest.Guest, script string, args ...string) error {
	c := guest.Command{Args: append([]string{"sh", "-c", script, "follow"}, args...)}
	r, err := g.Run(ctx, c)
	if err != nil {
		return err
	}
	if !r.OK() {
		return &guest.CommandError{Args: c.Args, Result: r}
	}
	return nil
}
