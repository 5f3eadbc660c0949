package layering

import (
	"context"
	"regexp"
	"strconv"
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

// since are the versions of rpm-ostree that brought a setting; older ones ignore it.
var since = map[string]version{"LockLayering": {2023, 2}, "Recommends": {2024, 7}}

// version is rpm-ostree's: a year and a number.
type version struct{ year, number int }

var versionText = regexp.MustCompile(`\b(20[0-9]{2})\.([0-9]{1,3})\b`)

// configure sets one setting of rpm-ostree's daemon, and skips where it is not known.
func (l *layer) configure(ctx context.Context, key, value string) error {
	r, err := l.t.Run(ctx, guest.Command{Args: []string{"rpm-ostree", "--version"}})
	if err != nil {
		return err
	}
	m := versionText.FindStringSubmatch(r.Stdout)
	if m == nil {
		return check.Failf("rpm-ostree --version tells no version: %s", probe.OneLine(r.Said()))
	}
	year, _ := strconv.Atoi(m[1])   // the expression has digits alone
	number, _ := strconv.Atoi(m[2]) // as above
	if s := since[key]; year < s.year || year == s.year && number < s.number {
		return check.Skipf("rpm-ostree %s has no setting %s, which came with %d.%d", m[0], key, s.year, s.number)
	}
	if err := l.t.WriteFile(ctx, daemonFile, strings.NewReader("[Daemon]\n"+key+"="+value+"\n"), 0o644); err != nil {
		return err
	}
	r, err = l.t.Run(ctx, guest.Command{Args: []string{"rpm-ostree", "reload"}, Limit: time.Minute})
	if err == nil && !r.OK() {
		err = check.Failf("rpm-ostree does not reload its configuration: %s", probe.OneLine(r.Said()))
	}
	return err
}

func locked(ctx context.Context, t *check.T) error {
	l, err := beginLocked(ctx, t, overriders, hello)
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
