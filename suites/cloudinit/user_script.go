package cloudinit

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "user-script", Title: "the seed's user script ran", Run: userScript,
})

// scriptLogScript prints what the logs say of user scripts.
const scriptLogScript = `
grep -h -i -E 'scripts.user|runparts|part-00|Failed (running|to run)' /var/log/cloud-init.log 2>/dev/null | tail -n 20
tail -n 20 /var/log/cloud-init-output.log 2>/dev/null
exit 0`

func userScript(ctx context.Context, t *check.T) error {
	return proven(ctx, t, part{proof: check.Proof{Path: t.Env.ProofPath, Text: t.Env.ProofText},
		name: "user script", undone: "the user script did not run", log: scriptLogScript})
}
