package deployments

import (
	"context"
	"errors"
	"fmt"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/probe"
)

// Judge says whose fault an operation's error is: a tool that refuses is the
// image's, one that lacks the operation is a skip, a server of ours that does
// not answer and a tool that stays busy are the infrastructure's. Other errors stay as they are.
func Judge(err error) error {
	var refused *host.RefusedError
	var lacks *host.UnsupportedError
	switch {
	case err == nil, judged(err):
		return err
	case errors.As(err, &lacks):
		return check.Skipf("%v", lacks)
	case errors.As(err, &refused):
		switch refused.Reason {
		case host.Unreachable:
			return check.Infraf("the harness's own server does not answer: %w", refused)
		case host.Busy:
			return check.Infraf("%s was busy with something else all the time: %w", refused.Tool, refused)
		}
		return check.FailWith(Said(refused), "%v", refused)
	case errors.Is(err, host.ErrNotBooted):
		return check.Failf("no deployment is marked as the booted one")
	}
	return err
}

// judged reports that a check has spoken already.
func judged(err error) bool {
	j := check.Classify(err)
	return j.Fault != reports.FaultTest || j.Outcome == ""
}

// Said is all that a refusing tool said, as evidence.
func Said(e *host.RefusedError) string {
	return probe.Clip(e.Result.Stdout+e.Result.Stderr, 4000)
}

// Refused wants an operation's error to be a refusal. reasons, when any are
// named, are those that the tool may give; what is the operation in a few
// words: "upgrade to an unsigned tree".
func (h Host) Refused(err error, what string, reasons ...host.Reason) error {
	var refused *host.RefusedError
	switch {
	case err == nil:
		return check.Failf("%s accepts to %s", h.Tool(), what)
	case !errors.As(err, &refused):
		return err
	case refused.Reason == host.Unreachable, refused.Reason == host.Busy:
		return check.Infraf("%s was asked to %s and could not tell: %w", h.Tool(), what, refused)
	case len(reasons) == 0:
		return nil
	}
	for _, r := range reasons {
		if refused.Reason == r {
			return nil
		}
	}
	return check.FailWith(Said(refused), "%s refuses to %s, and does not say that this is why: %s", h.Tool(), what, refused.Said())
}

// Reboot reboots the guest. One that does not go down is the image's failure.
func (h Host) Reboot(ctx context.Context) error {
	err := h.t.Reboot(ctx)
	if errors.Is(err, guest.ErrRebootNotSeen) {
		return check.Failf("the system does not go down when it is told to reboot into another deployment")
	}
	return err
}

// Describe is a deployment in a message: its version and the commit's first
// digits.
func Describe(d host.Deployment) string { return describe(d.Version, base(d)) }

// DescribeTree is Describe for a tree that is served.
func DescribeTree(t check.Tree) string {
	switch {
	case t.Image == "":
		return describe(t.Version, t.Commit)
	case t.Version == "":
		return t.Image
	}
	return fmt.Sprintf("%s (%s)", t.Version, t.Image)
}

func describe(version, commit string) string {
	const digits = 12
	commit = commit[:min(digits, len(commit))]
	switch {
	case version == "":
		return commit
	case commit == "":
		return version
	}
	return fmt.Sprintf("%s (%s)", version, commit)
}
