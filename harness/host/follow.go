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
// repository at url, through a remote "assay". Signatures are checked when
// verify is set: then an unsigned tree must be refused.
func Follow(ctx context.Context, g guest.Guest, url, ref string, verify bool) error {
	if !branchName.MatchString(ref) {
		return fmt.Errorf("cannot follow ref %q: it is no ostree ref", ref)
	}
	// rpm-ostree's daemon remembers origins; where there is none, there is
	// nothing to tell.
	const script = `ostree remote delete --if-exists "$1" && ostree admin set-origin --set="gpg-verify=$4" "$1" "$2" "$3" &&
{ ! command -v rpm-ostree >/dev/null || rpm-ostree reload; }`
	return configure(ctx, g, script, followRemote, url, ref, fmt.Sprint(verify))
}

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
