package base

import (
	"context"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

// The checks of identity start from a second first boot of the image and
// compare it with the first one. They also look into the tree itself, which
// every host of the image shares.
var (
	_ = check.Register(suite, check.Check{
		Name: "unique-machine-id", Title: "each host of the image gets a machine-id of its own", State: check.Fresh, Run: uniqueMachineID,
	})
	_ = check.Register(suite, check.Check{
		Name: "unique-host-keys", Title: "each host of the image makes SSH host keys of its own", State: check.Fresh, Run: uniqueHostKeys,
	})
	_ = check.Register(suite, check.Check{
		Name: "unique-random-seed", Title: "each host of the image has a random seed of its own", State: check.Fresh, Run: uniqueRandomSeed,
	})
	_ = check.Register(suite, check.Check{
		Name: "unique-disk-id", Title: "each host of the image gets a partition table id of its own", State: check.Fresh, Advisory: true, Run: uniqueDiskID,
	})
)

// twoBoots are the identities of the first boot and of this one.
func twoBoots(ctx context.Context, t *check.T) (first, second guest.Identity, err error) {
	if t.Env.First == nil {
		return first, second, check.Skipf("there is no other boot of the image to compare with")
	}
	second, err = guest.ReadIdentity(ctx, t, t.Env.HostKey)
	if err != nil {
		return first, second, err
	}
	if second.BootID == t.Env.First.BootID {
		return first, second, check.Infraf("the two boots to compare are one (boot id %s)", second.BootID)
	}
	return *t.Env.First, second, nil
}

// treeScript prints what the tree's own /etc holds that it must not.
const treeScript = `
id=$(head -n 1 /usr/etc/machine-id 2>/dev/null)
case $id in ''|uninitialized) ;; *) echo "id=$id" ;; esac
for k in /usr/etc/ssh/ssh_host_*_key; do [ -f "$k" ] && echo "key=$k"; done
exit 0`

func uniqueMachineID(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", treeScript)
	if err != nil {
		return err
	}
	if id := probe.Pairs(out)["id"]; id != "" {
		return check.Failf("the tree carries a machine-id, %s in /usr/etc/machine-id: every host made of it would have it; ship the file empty", oneLine(id))
	}
	first, second, err := twoBoots(ctx, t)
	if err != nil {
		return err
	}
	if first.MachineID == second.MachineID {
		return check.Failf("two hosts of the image have the same machine-id %s: it is baked into the image", second.MachineID)
	}
	return nil
}

func uniqueHostKeys(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", treeScript)
	if err != nil {
		return err
	}
	if key := probe.Pairs(out)["key"]; key != "" {
		return check.Failf("the tree carries a private SSH host key, %s: whoever has the image can pose as any host of it", key)
	}
	first, second, err := twoBoots(ctx, t)
	if err != nil {
		return err
	}
	shared := map[string]bool{}
	for _, k := range first.HostKeys {
		shared[k] = true
	}
	var same []string
	for _, k := range second.HostKeys {
		if shared[k] {
			kind, _, _ := strings.Cut(k, " ")
			same = append(same, kind)
		}
	}
	if len(same) > 0 {
		return check.FailWith(strings.Join(second.HostKeys, "\n"),
			"two hosts of the image have the same SSH host key (%s): it is baked into the image", probe.Some(same))
	}
	return nil
}

func uniqueRandomSeed(ctx context.Context, t *check.T) error {
	first, second, err := twoBoots(ctx, t)
	if err != nil {
		return err
	}
	if second.RandomSeed == "" || first.RandomSeed == "" {
		return check.Skipf("the system keeps no random seed in /var/lib/systemd")
	}
	if first.RandomSeed == second.RandomSeed {
		return check.Failf("two hosts of the image have the same random seed (/var/lib/systemd/random-seed)")
	}
	return nil
}

func uniqueDiskID(ctx context.Context, t *check.T) error {
	first, second, err := twoBoots(ctx, t)
	if err != nil {
		return err
	}
	if second.PTUUID == "" || first.PTUUID == "" {
		return check.Skipf("the disk's partition table has no id")
	}
	if first.PTUUID == second.PTUUID {
		return check.Failf("two hosts of the image have the same partition table id %s: nothing gives the disk a new one at the first boot", second.PTUUID)
	}
	return nil
}
