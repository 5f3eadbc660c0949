package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "unlock-rpm", Title: "rpm installs into an unlocked /usr, and not into a locked one",
	Isolated: true, Limit: 5 * time.Minute, Run: unlockRPM,
})

func unlockRPM(ctx context.Context, t *check.T) error {
	// A host without package layering has base/unlock for its /usr.
	l, err := begin(ctx, t, tools, hello)
	if err != nil {
		return err
	}
	h, err := deployments.Unlocker(ctx, t)
	if err != nil {
		return err
	}
	if _, err := ofBase(ctx, l); err != nil {
		return err // rpm does not manage this base
	}
	path, err := l.fetch(ctx, hello)
	if err != nil {
		return err
	}
	// The signature is another check's concern.
	install := []string{"-i", "--nosignature", path}
	r, err := l.rpm(ctx, install...)
	if err == nil && r.OK() {
		err = deployments.RootKept(ctx, t)
	}
	if err != nil || r.OK() {
		return orFail(err, "rpm -i works although nobody unlocked /usr")
	}
	if err := deployments.Judge(h.Open(ctx, host.UnlockOptions{})); err != nil {
		return err
	}
	if r, err = l.rpm(ctx, install...); err != nil || !r.OK() {
		return orFail(err, "/usr is unlocked, and rpm -i fails: %s", probe.OneLine(r.Said()))
	}
	if err := l.present(ctx, l.name(hello)); err != nil {
		return err
	}
	return l.runs(ctx, l.name(hello), "hello")
}
