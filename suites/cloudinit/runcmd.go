package cloudinit

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "runcmd", Title: "the seed's command (runcmd) ran", Run: runCmd,
})

// runCmdLogScript prints what the logs say of commands: module runcmd writes them into
// a script in one stage, module scripts_user runs that in a later one.
const runCmdLogScript = `
grep -h -i -E 'config-runcmd|cc_runcmd|scripts.user|Failed (running|to run)' /var/log/cloud-init.log 2>/dev/null | tail -n 20
ls -l /var/lib/cloud/instance/scripts 2>&1
tail -n 20 /var/log/cloud-init-output.log 2>/dev/null
exit 0`

func runCmd(ctx context.Context, t *check.T) error {
	return proven(ctx, t, part{proof: t.Env.RunCmdProof, name: "command of runcmd", log: runCmdLogScript,
		undone: "the command of runcmd did not run (are runcmd among cloud_config_modules and scripts_user among cloud_final_modules?)"})
}
