package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "root-immutable", Title: "the deployment's root folder is immutable", Advisory: true, Run: rootImmutable,
})

const immutableScript = `
command -v lsattr >/dev/null 2>&1 || exit 127
echo "type=$(findmnt -n -o FSTYPE / | tail -n 1)"
[ -e /run/ostree-booted ] && echo 'ostree=1'
printf 'attr='; lsattr -d / 2>&1 | head -n 1`

func rootImmutable(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "lsattr", immutableScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	flags := strings.Fields(p["attr"])
	switch {
	case p["ostree"] == "":
		return check.Skipf("this is no ostree host")
	case p["type"] == "overlay" || sealedType(p["type"]):
		return check.Skipf("the root is %s, which nothing can write to", p["type"])
	case len(flags) != 2 || strings.Contains(p["attr"], "while reading flags"):
		return check.Skipf("the file system of / has no such flags: %s", probe.OneLine(p["attr"]))
	case !strings.Contains(flags[0], "i"):
		return check.Failf("/ is not immutable (lsattr: %s): files can be made in it that no upgrade keeps", flags[0])
	}
	return nil
}
