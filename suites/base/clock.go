package base

import (
	"context"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
)

// The state is Fresh as the harness sets the clock of every fork: only a boot of
// its own shows what the image makes of the machine's clock.
var _ = check.Register(suite, check.Check{
	Name: "clock", Title: "after a boot the clock agrees with the host's", State: check.Fresh, Run: clock,
})

// clockSlack is far from what a wrong time zone does (a quarter of an hour, at
// least) and from what a kernel that reads its timers on a busy host gets wrong.
// Where the processor is emulated, those are read through the emulator, since
// the boot began.
const (
	clockSlack         = time.Minute
	clockSlackEmulated = 3 * time.Minute
)

func clock(ctx context.Context, t *check.T) error {
	slack := clockSlack
	if t.Scale() > 1 {
		slack = clockSlackEmulated
	}
	before := time.Now()
	out, err := guest.Output(ctx, t, "date", "-u", "+%s")
	if err != nil {
		return err
	}
	after := time.Now()
	const hint = "after a boot, without a server to ask the time (LOCAL in /etc/adjtime, or a service that sets it?)"
	there := time.Unix(number(out), 0)
	switch {
	case there.Before(before.Add(-slack)):
		return check.Failf("the clock is %s behind %s", before.Sub(there).Round(time.Second), hint)
	case there.After(after.Add(slack)):
		return check.Failf("the clock is %s ahead %s", there.Sub(after).Round(time.Second), hint)
	}
	return nil
}
