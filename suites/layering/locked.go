package layering

import (
	"context"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "locked", Title: "with LockLayering=true nothing can be layered", Isolated: true, Limit: 5 * time.Minute, Run: locked,
})

const daemonFile = "/etc/rpm-ostreed.conf"

// knowsScript looks for a setting in rpm-ostree's programs: old versions ignore
// what they do not know.
const knowsScript = `cat "$(command -v rpm-ostree)" /usr/libexec/rpm-ostreed /usr/lib*/librpmostree*.so* /usr/lib*/rpm-ostree/* 2>/dev/null | grep -qa "$1"`

// configure sets one setting of rpm-ostree's daemon, and skips where it is not known.
func (l *layer) configure(ctx context.Context, key, value string) error {
	r, err := probe.Run(ctx, l.t, time.Minute, knowsScript, key)
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.Skipf("this version of rpm-ostree has no setting %s", key)
	}
	if err := l.t.WriteFile(ctx, daemonFile, strings.NewReader("[Daemon]\n"+key+"="+value+"\n"), 0o644); err != nil {
		return err
	}
	r, err = l.t.Run(ctx, guest.Command{Args: []string{"rpm-ostree", "reload"}, Limit: time.Minute})
	if err == nil && !r.OK() {
		err = check.Failf("rpm-ostree does not reload its configuration: %s", oneLine(r.Said()))
	}
	return err
}

func locked(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders, hello)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	if err := l.configure(ctx, "LockLayering", "true"); err != nil {
		return err
	}
	return refusal{
		what: "to layer with LockLayering=true", reasons: []host.Reason{host.Locked},
		names: func(*layer) []string { return []string{"LockLayering"} }, ask: installing(hello),
	}.judge(ctx, l)
}
