package upgrade

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

// Advisory: tools learned it in 2025, and a system may have reasons to want a
// whole reboot that they do not tell in words we know.
var _ = check.Register(suite, check.Check{
	Name: "soft-reboot", Title: "a soft reboot brings the system into the new tree, under the kernel that runs", Advisory: true,
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: deployments.With(softReboot),
})

// softRebootScript prints how often this boot was rebooted softly, which systemd
// counts, and which tools offer it.
const softRebootScript = `[ -e /usr/lib/systemd/system/soft-reboot.target ] || exit 127
echo "count=$(systemctl show -p SoftRebootsCount --value)"
bootc upgrade --help 2>/dev/null | grep -q -e --soft-reboot && echo bootc=1
ostree admin prepare-soft-reboot --help >/dev/null 2>&1 && echo ostree=1
exit 0`

// downLimit is for userspace to end on a KVM host, with a unit that takes all the
// time that systemd gives it to stop.
const downLimit = 2 * time.Minute

func softReboot(ctx context.Context, t *check.T, h deployments.Host) error {
	offers, count, err := softReboots(ctx, t)
	switch {
	case err != nil:
		return err
	case count < 0:
		return check.Skipf("the image's systemd does not count soft reboots")
	case h.Tool() == host.Bootc && offers["bootc"] == "":
		return check.Skipf("the image's bootc has no upgrade --soft-reboot")
	case h.Tool() != host.Bootc && offers["ostree"] == "":
		return check.Skipf("the image's ostree has no admin prepare-soft-reboot")
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := prepareSoftly(ctx, t, h); err != nil {
		return err
	}
	was := t.BootID()
	r, err := t.Run(ctx, guest.Command{Args: []string{"systemctl", "soft-reboot"}})
	var broken *guest.TransportError
	switch {
	case errors.As(err, &broken): // it went down at once
	case err != nil:
		return err
	case !r.OK() && r.Signal == "" && r.Exit <= 128:
		return check.Failf("systemctl soft-reboot fails: %s", probe.OneLine(r.Said()))
	}
	if err := awaitSoft(ctx, t, was, count); err != nil {
		return err
	}
	_, err = h.Switched(ctx, before, h.Newer())
	return err
}

// softReboots is what softRebootScript tells; count is negative where systemd
// does not.
func softReboots(ctx context.Context, t *check.T) (offers map[string]string, count int, err error) {
	out, err := probe.Output(ctx, t, "systemd that reboots softly", softRebootScript)
	if err != nil {
		return nil, 0, err
	}
	offers = probe.Pairs(out)
	if count, err = strconv.Atoi(offers["count"]); err != nil {
		count = -1
	}
	return offers, count, nil
}

// prepareSoftly makes the newest tree the root of the next soft reboot. An update
// that wants a whole reboot, for another kernel, is a skip.
func prepareSoftly(ctx context.Context, t *check.T, h deployments.Host) error {
	var err error
	if h.Tool() == host.Bootc {
		var out host.Outcome
		if err = h.Follow(ctx); err == nil {
			out, err = h.Upgrade(ctx, host.UpgradeOptions{SoftReboot: true})
		}
		if err == nil && !out.Changed {
			return check.FailWith(out.Output, "%s finds nothing to upgrade to, though %s is served", h.Tool(), deployments.DescribeTree(h.Newer()))
		}
	} else if err = h.Update(ctx); err == nil {
		err = host.PrepareSoftReboot(ctx, t, 0)
	}
	var refused *host.RefusedError
	if errors.As(err, &refused) && refused.Reason == host.WholeReboot {
		return check.Skipf("the update wants a whole reboot: %s", probe.OneLine(refused.Said()))
	}
	return err
}

// awaitSoft waits until the guest is up after one soft reboot more than count.
// The boot's id stays over it.
func awaitSoft(ctx context.Context, t *check.T, was string, count int) error {
	down := time.Now().Add(t.Scaled(downLimit))
	for {
		if err := t.AwaitReboot(ctx, ""); err != nil {
			return err
		}
		if t.BootID() != was {
			return check.Failf("the system was told to reboot softly, and rebooted the whole machine")
		}
		late := time.Now().After(down) // before it is asked: what is said later counts
		_, now, err := softReboots(ctx, t)
		var broken *guest.TransportError
		var ended *guest.CommandError // a session's processes are told to end before it breaks
		switch {
		case errors.As(err, &broken), errors.As(err, &ended) && !late: // on its way down
		case err != nil:
			return err
		case now > count:
			return nil
		}
		if late {
			return check.Failf("the system was told to reboot softly, and stays up")
		}
		select {
		case <-time.After(time.Duration(float64(time.Second) * min(1, t.Scale()))):
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for a soft reboot: %w", context.Cause(ctx))
		}
	}
}
