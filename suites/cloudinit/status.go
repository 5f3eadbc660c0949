package cloudinit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "status", Title: "cloud-init is done, and reports no error", Run: status,
	Limit: 3 * time.Minute,
})

// statusScript waits for the end, at most $1 seconds, and prints what
// cloud-init says of this boot. The command that waits is only started when
// there is something to wait for: result.json is written last.
const statusScript = need + `
[ -e /run/cloud-init/disabled ] && { echo '--disabled--'; exit 0; }
[ -e /run/cloud-init/result.json ] || timeout "$1" cloud-init status --wait >/dev/null 2>&1
cat /run/cloud-init/status.json 2>/dev/null
exit 0`

// statusWait is how long cloud-init may go on after the guest let us in, on a KVM host.
const statusWait = time.Minute

func status(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, statusWait+30*time.Second, "cloud-init", statusScript,
		strconv.Itoa(int(statusWait.Seconds()*t.Scale())))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(out)
	if text == "--disabled--" {
		return check.Failf("cloud-init is disabled: its generator found no reason to run (no seed seen by ds-identify, or /etc/cloud/cloud-init.disabled)")
	}
	if text == "" {
		return check.Failf("cloud-init says nothing of this boot: it never started (are its units enabled?)")
	}
	a, err := parseAccount(text)
	if err != nil {
		return err
	}
	switch {
	case len(a.Errors) > 0:
		return check.FailWith(text, "cloud-init failed: %s", probe.OneLine(a.Errors[0]))
	case a.Status == "running":
		return check.FailWith(text, "cloud-init does not come to an end: it still is in stage %s", orElse(a.Stage, "unknown"))
	case a.Status != "done":
		return check.FailWith(text, "cloud-init's status is %q, not done", a.Status)
	case len(a.Warnings) > 0:
		return check.FailWith(text, "cloud-init is done but complains: %s", probe.OneLine(a.Warnings[0]))
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
