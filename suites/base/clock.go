package base

import (
	"context"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "clock", Title: "the clock agrees with the host's within a minute", Advisory: true, Run: clock,
})

// clockSlack allows for a loaded host and a clock that was set by hand after a fork.
const clockSlack = time.Minute

func clock(ctx context.Context, t *check.T) error {
	before := time.Now()
	out, err := guest.Output(ctx, t, "date", "-u", "+%s")
	if err != nil {
		return err
	}
	after := time.Now()
	there := time.Unix(number(out), 0)
	switch {
	case there.Before(before.Add(-clockSlack)):
		return check.Failf("the clock is %s behind", before.Sub(there).Round(time.Second))
	case there.After(after.Add(clockSlack)):
		return check.Failf("the clock is %s ahead", there.Sub(after).Round(time.Second))
	}
	return nil
}
