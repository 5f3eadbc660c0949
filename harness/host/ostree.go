package host

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"assay/harness/guest"
)

// booted is the running deployment.
func booted(ctx context.Context, g guest.Guest) (guest.Deployment, error) {
	all, err := guest.Deployments(ctx, g)
	if err != nil {
		return guest.Deployment{}, err
	}
	for _, d := range all {
		if d.Booted {
			return d, nil
		}
	}
	return guest.Deployment{}, ErrNotBooted
}

// updateRemote is the remote that Upgrade makes in the guest.
const updateRemote = "assay"

// upgradeLimit is for pulling and deploying an update on a KVM host; from a
// local server and under emulation it took 17 s.
const upgradeLimit = 5 * time.Minute

var safeRef = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)

// Upgrade makes the tree that ref names in the ostree repository at url the
// next one to boot, as a user does who follows another ref. It takes effect
// with the next boot. The guest keeps a remote "assay", without signature
// checks. Nothing to upgrade to is an error.
func Upgrade(ctx context.Context, g guest.Guest, url, ref string) error {
	if !safeRef.MatchString(ref) {
		return fmt.Errorf("cannot upgrade to ref %q: it is no ostree ref", ref)
	}
	before, err := booted(ctx, g)
	if err != nil {
		return err
	}
	follow := []string{"ostree", "admin", "switch", updateRemote + ":" + ref}
	if before.Origin == updateRemote+":"+ref {
		// Switching to the ref that is followed already is refused.
		follow = []string{"ostree", "admin", "upgrade"}
	}
	for _, args := range [][]string{
		{"ostree", "remote", "delete", "--if-exists", updateRemote},
		{"ostree", "remote", "add", "--no-gpg-verify", updateRemote, url},
		follow,
	} {
		r, err := g.Run(ctx, guest.Command{Args: args, Limit: upgradeLimit})
		if err != nil {
			return err
		}
		if !r.OK() {
			return &guest.CommandError{Args: args, Result: r}
		}
	}
	all, err := guest.Deployments(ctx, g)
	if err != nil {
		return err
	}
	if len(all) == 0 || all[0].Booted || all[0].Checksum == before.Checksum {
		return fmt.Errorf("cannot upgrade to %s: it is commit %s, which is booted already", ref, before.Checksum)
	}
	return nil
}
