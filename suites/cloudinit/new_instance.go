package cloudinit

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "new-instance", Title: "under a new instance id, a copied disk is configured anew", Run: newInstance,
	Isolated: true, Labels: []string{"slow", "reboot"}, Limit: 5 * time.Minute,
})

// newInstanceScript puts a seed in the folder that NoCloud reads before any
// disk. Its instance id wins, all else comes from the disk as before. It exits
// with 127 where another data source was used.
const newInstanceScript = need + `
grep -q '"datasource": *"DataSourceNoCloud' /run/cloud-init/status.json 2>/dev/null || exit 127
mkdir -p /var/lib/cloud/seed/nocloud && cd /var/lib/cloud/seed/nocloud || exit 1
printf 'instance-id: %s\n' "$1" > meta-data
printf '#cloud-config\n{}\n' > user-data
sync`

// instanceScript prints which instance this is, and when the user script ran.
const instanceScript = `
echo "instance=$(cat /var/lib/cloud/data/instance-id 2>/dev/null)"
echo "hostname=$(cat /proc/sys/kernel/hostname)"
echo "proof=$(stat -c %y "$1" 2>/dev/null)"`

func newInstance(ctx context.Context, t *check.T) error {
	if t.Env.InstanceID == "" || t.Env.ProofPath == "" {
		return check.Skipf("the seed has no instance id or no user script")
	}
	id := t.Env.InstanceID + "-again"
	if _, err := probe.Output(ctx, t, "cloud-init, or was not configured by NoCloud", newInstanceScript, id); err != nil {
		return err
	}
	before, err := probe.Output(ctx, t, "cat", instanceScript, t.Env.ProofPath)
	if err != nil {
		return err
	}
	if err := t.Reboot(ctx); err != nil {
		return err
	}
	after, err := probe.Output(ctx, t, "cat", instanceScript, t.Env.ProofPath)
	if err != nil {
		return err
	}
	was, is := probe.Pairs(before), probe.Pairs(after)
	switch {
	case is["instance"] != id:
		return check.FailWith(after, "cloud-init holds on to instance %q though its seed now says %q", is["instance"], id)
	case is["proof"] == was["proof"]:
		return check.Failf("the user script did not run again under a new instance id")
	case !sameHost(is["hostname"], t.Env.Hostname):
		return check.Failf("under a new instance id the host is called %q, not %q as the seed says", is["hostname"], t.Env.Hostname)
	}
	return status(ctx, t)
}
