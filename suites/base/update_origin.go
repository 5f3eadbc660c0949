package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

// A fork of the first boot has the image's own origin: the suites that upgrade
// write theirs in guests of their own.
var _ = check.Register(suite, check.Check{
	Name: "update-origin", Title: "the booted deployment knows where its updates come from", Run: updateOrigin,
})

// originScript prints the origin of the booted deployment and the address of the
// remote that it names. The deployment is found by the kernel's argument, as
// ostree does, since `ostree admin status` fails where a remote is missing.
// rpm-ostree has baserefspec where packages are layered.
const originScript = `
for word in $(cat /proc/cmdline); do
	case $word in ostree=*) root=$(readlink -f "/sysroot/${word#ostree=}") ;; esac
done
[ -n "$root" ] || exit 127
[ -f "$root.origin" ] || { echo 'absent=1'; exit 0; }
sed -n 's/^\(baserefspec\|refspec\|container-image-reference\|unconfigured-state\)[ \t]*=[ \t]*/\1=/p' "$root.origin"
spec=$(sed -n 's/^\(base\)\{0,1\}refspec[ \t]*=[ \t]*//p' "$root.origin" | head -n 1)
case $spec in *:*) ;; *) exit 0 ;; esac
command -v ostree >/dev/null 2>&1 || { echo 'notool=1'; exit 0; }
if url=$(ostree remote show-url "${spec%%:*}" 2>&1); then echo "url=$url"; else echo "error=$(echo "$url" | tail -n 1)"; fi`

func updateOrigin(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "booted ostree deployment", originScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	image, follows := p["container-image-reference"]
	spec := p["baserefspec"]
	if spec == "" {
		spec = p["refspec"]
	}
	remote, ref, named := strings.Cut(spec, ":")
	switch {
	case p["absent"] != "":
		return check.Failf("the booted deployment has no origin file: no tool knows where its updates come from")
	case p["unconfigured-state"] != "":
		return check.Skipf("the image leaves it to its user to say where updates come from: %s", probe.OneLine(p["unconfigured-state"]))
	case follows && image == "" && spec == "":
		return check.FailWith(out, "the booted deployment follows a container image without a name (container-image-reference is empty in its origin)")
	case follows && image != "":
		return nil
	case spec == "":
		return check.FailWith(out, "the origin of the booted deployment names neither a refspec nor a container image: there is nowhere to update from")
	case !named:
		return check.Skipf("the booted deployment follows %s of its own repository", spec)
	case p["notool"] != "":
		return probe.NotShipped("ostree")
	case p["url"] == "":
		return check.FailWith(out, "updates of %s are to come from remote %s, which has no address (%s); put it into /etc/ostree/remotes.d", ref, remote, orUnknown(probe.OneLine(p["error"])))
	}
	return nil
}
