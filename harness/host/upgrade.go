package host

import (
	"context"
	"fmt"

	"assay/harness/guest"
)

// updateRemote is the remote that Upgrade makes in the guest.
const updateRemote = "assay"

// Upgrade makes the tree that ref names in the ostree repository at url the
// next one to boot, as a user does who follows another ref. It takes effect
// with the next boot. The guest keeps a remote "assay", without signature
// checks. Nothing to upgrade to is an error.
func Upgrade(ctx context.Context, g guest.Guest, url, ref string) error {
	target := updateRemote + ":" + ref
	if !safeRefspec.MatchString(target) {
		return fmt.Errorf("cannot upgrade to ref %q: it is no ostree ref", ref)
	}
	d := New(OSTree, g)
	s, err := d.Status(ctx)
	if err != nil {
		return err
	}
	before, err := s.Booted()
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"ostree", "remote", "delete", "--if-exists", updateRemote},
		{"ostree", "remote", "add", "--no-gpg-verify", updateRemote, url},
	} {
		if _, err := guest.Output(ctx, g, args...); err != nil {
			return err
		}
	}
	if before.Origin == target {
		// Switching to the ref that is followed already is refused.
		_, err = d.Upgrade(ctx, UpgradeOptions{})
	} else {
		_, err = d.Rebase(ctx, RebaseOptions{Target: target})
	}
	if err != nil {
		return err
	}
	if s, err = d.Status(ctx); err != nil {
		return err
	}
	if len(s.Deployments) == 0 || s.Deployments[0].Booted || s.Deployments[0].Checksum == before.Checksum {
		return fmt.Errorf("cannot upgrade to %s: it is commit %s, which is booted already", ref, before.Checksum)
	}
	return nil
}
