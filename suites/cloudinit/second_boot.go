package cloudinit

import (
	"context"
	"sort"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "second-boot", Title: "a second boot changes nothing: name, identity and keys stay, and what runs once per instance does not run again", Run: secondBoot,
	State: check.Rebooted, Prepare: noteOnceFacts, Labels: []string{"reboot"},
})

// onceScript prints what must be the same after a reboot; $1 is the proof that
// the user script wrote, $2 the user. Times have their fractions: a file
// rewritten with the same content differs.
const onceScript = need + `
echo "the hostname=$(cat /proc/sys/kernel/hostname)"
echo "/etc/hostname=$(head -n 1 /etc/hostname 2>/dev/null)"
echo "the machine-id=$(cat /etc/machine-id)"
echo "the instance id=$(cat /var/lib/cloud/data/instance-id 2>/dev/null)"
[ -n "$1" ] && echo "the user script's proof=$(stat -c '%s bytes of %y' "$1" 2>/dev/null)"
for k in /etc/ssh/ssh_host_*_key.pub; do [ -r "$k" ] && echo "$k=$(cut -d' ' -f2 "$k")"; done
[ -n "$2" ] && echo "user $2=$(getent passwd "$2")"
for s in /var/lib/cloud/instance/sem/*; do
	[ -f "$s" ] && echo "once ${s##*/}=$(stat -c %y "$s")"
done
exit 0`

func noteOnceFacts(ctx context.Context, t *check.T) (any, error) { return onceFacts(ctx, t) }

func secondBoot(ctx context.Context, t *check.T) error {
	before := t.Prepared.(map[string]string)
	after, err := onceFacts(ctx, t)
	if err != nil {
		return err
	}
	var names []string
	for k := range before {
		names = append(names, k)
	}
	sort.Strings(names)
	var again []string
	for _, k := range names {
		if before[k] == after[k] {
			continue
		}
		if module, ok := strings.CutPrefix(k, "once "); ok {
			again = append(again, module)
			continue
		}
		return check.Failf("a second boot changed %s from %q to %q", k, probe.OneLine(before[k]), probe.OneLine(after[k]))
	}
	if len(again) > 0 {
		return check.Failf("these ran again on the second boot although they run once per instance: %s", probe.Some(again))
	}
	return status(ctx, t)
}

func onceFacts(ctx context.Context, t *check.T) (map[string]string, error) {
	out, err := probe.Output(ctx, t, "cloud-init", onceScript, t.Env.ProofPath, t.Env.User)
	if err != nil {
		return nil, err
	}
	return probe.Pairs(out), nil
}
