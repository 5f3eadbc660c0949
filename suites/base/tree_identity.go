package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "tree-identity", Title: "the tree carries no machine-id and no SSH host key", Run: treeIdentity,
})

// treeScript prints what the tree's own /etc holds that every host made of it
// would share. systemd takes an empty file, or "uninitialized", for a first boot.
const treeScript = `
id=$(head -n 1 /usr/etc/machine-id 2>/dev/null)
case $id in ''|uninitialized) ;; *) echo "id=$id" ;; esac
for k in /usr/etc/ssh/ssh_host_*_key; do [ -f "$k" ] && echo "key=$k"; done
exit 0`

func treeIdentity(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", treeScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["key"] != "":
		return check.Failf("the tree carries a private SSH host key, %s: whoever has the image can pose as any host of it", p["key"])
	case p["id"] != "":
		return check.Failf("the tree carries a machine-id, %s in /usr/etc/machine-id: every host made of it has it; ship the file empty", probe.OneLine(p["id"]))
	}
	return nil
}
