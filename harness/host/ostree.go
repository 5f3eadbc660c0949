// Package host is the tools that a guest's operating system is managed with,
// as a suite or the harness wants them: ostree so far.
//
// It runs commands in a guest and reads what they say; it judges nothing, and
// needs nothing of the machine it runs on.
package host

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"assay/harness/guest"
)

// Deployment is one bootable tree.
type Deployment = guest.Deployment

// OSTree is the ostree of one guest.
type OSTree struct{ g guest.Guest }

// NewOSTree is the ostree of g; whether g has one shows with the first question.
func NewOSTree(g guest.Guest) OSTree { return OSTree{g} }

// Status is the deployments in boot order; guest.ErrNoOSTree on a guest that
// has none.
func (o OSTree) Status(ctx context.Context) ([]Deployment, error) {
	return guest.Deployments(ctx, o.g)
}

// Booted is the running deployment.
func (o OSTree) Booted(ctx context.Context) (Deployment, error) {
	all, err := o.Status(ctx)
	if err != nil {
		return Deployment{}, err
	}
	for _, d := range all {
		if d.Booted {
			return d, nil
		}
	}
	return Deployment{}, errors.New("cannot find the booted deployment: ostree marks none")
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
	before, err := NewOSTree(g).Booted(ctx)
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
	all, err := NewOSTree(g).Status(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 || all[0].Booted || all[0].Checksum == before.Checksum {
		return fmt.Errorf("cannot upgrade to %s: it is commit %s, which is booted already", ref, before.Checksum)
	}
	return nil
}
