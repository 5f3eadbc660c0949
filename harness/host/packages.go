package host

import (
	"context"
	"fmt"
	"strings"

	"assay/harness/guest"
)

// LayeringTools layer packages, as criteria prefer them.
var LayeringTools = []Tool{RPMOSTree, AtomicHost}

// PackageSource is a repository of RPM packages.
type PackageSource struct {
	// URL is its baseurl, plain HTTP.
	URL string
	// Key is the armoured public key that its packages are signed with; without,
	// signatures are not checked.
	Key string
}

const (
	repoFile = "/etc/yum.repos.d/assay.repo"
	keyFile  = "/etc/pki/rpm-gpg/RPM-GPG-KEY-assay"
)

// asideScript sets the image's own repositories aside: a guest cannot reach
// them, and tools fail when one repository does not answer. backScript undoes it.
const (
	asideScript = `mkdir -p /etc/yum.repos.d /etc/pki/rpm-gpg && cd /etc/yum.repos.d || exit
rm -f assay.repo
for f in *.repo; do
	[ ! -e "$f" ] || mv "$f" "$f.assay-aside" || exit
done`
	backScript = `cd /etc/yum.repos.d || exit
rm -f assay.repo /etc/pki/rpm-gpg/RPM-GPG-KEY-assay
for f in *.assay-aside; do
	[ ! -e "$f" ] || mv "$f" "${f%.assay-aside}" || exit
done`
)

// LayerFrom makes a source the only one of packages that the guest knows.
func LayerFrom(ctx context.Context, g guest.Guest, from PackageSource) error {
	if err := configure(ctx, g, asideScript); err != nil {
		return fmt.Errorf("cannot set the image's own repositories aside: %w", err)
	}
	text := "[assay]\nname=Assay's packages\nenabled=1\nbaseurl=" + from.URL + "\n"
	if from.Key == "" {
		text += "gpgcheck=0\n"
	} else {
		text += "gpgcheck=1\ngpgkey=file://" + keyFile + "\n"
		if err := g.WriteFile(ctx, keyFile, strings.NewReader(from.Key), 0o644); err != nil {
			return err
		}
	}
	return g.WriteFile(ctx, repoFile, strings.NewReader(text), 0o644)
}

// LayerFromOwn gives the guest its own sources of packages back.
func LayerFromOwn(ctx context.Context, g guest.Guest) error {
	if err := configure(ctx, g, backScript); err != nil {
		return fmt.Errorf("cannot bring the image's own repositories back: %w", err)
	}
	return nil
}
