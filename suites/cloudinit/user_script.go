package cloudinit

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "user-script", Title: "the seed's user script ran", Run: userScript,
})

// proofLimit is much more than any proof holds.
const proofLimit = 4 << 10

// scriptLogScript prints what the logs say of user scripts.
const scriptLogScript = `
grep -h -i -E 'scripts.user|runparts|part-00|Failed (running|to run)' /var/log/cloud-init.log 2>/dev/null | tail -n 20
tail -n 20 /var/log/cloud-init-output.log 2>/dev/null
exit 0`

func userScript(ctx context.Context, t *check.T) error {
	if t.Env.ProofPath == "" {
		return check.Skipf("the seed has no user script")
	}
	if _, err := probe.Output(ctx, t, "cloud-init", need+"exit 0"); err != nil {
		return err
	}
	b, err := t.ReadFile(ctx, t.Env.ProofPath, proofLimit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if got := strings.TrimSpace(string(b)); err == nil && got == strings.TrimSpace(t.Env.ProofText) {
		return nil
	}
	log, lerr := probe.Output(ctx, t, "sh", scriptLogScript)
	if lerr != nil {
		return lerr
	}
	if err != nil {
		return check.FailWith(log, "the user script did not run: it left no %s", t.Env.ProofPath)
	}
	return check.FailWith(log, "the user script left %q in %s, not the seed's %q", probe.OneLine(string(b)), t.Env.ProofPath, t.Env.ProofText)
}
