package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "user-namespace", Title: "root in a container can be an ordinary user of the host", Isolated: true, Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, userNamespace) },
})

const (
	foreignFolder = "/var/lib/assay-foreign"
	// mapScript shows whose ids root has, and whether root's file can be read.
	mapScript = `
cat /proc/self/uid_map
cat /foreign/file 2>/dev/null && echo 'read=1'
true`
	// remapScript finds out whether the kernel has user namespaces, and for docker
	// makes the user whose subordinate ids its daemon maps to: not every image has
	// the program that docker makes it with.
	remapScript = `
[ -e /proc/self/ns/user ] && [ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 1)" != 0 ] || { echo 'the kernel makes no user namespaces'; exit 0; }
[ "$1" = docker ] || exit 0
id dockremap >/dev/null 2>&1 || useradd -r -M -s /sbin/nologin dockremap >/dev/null 2>&1 || { echo 'no user can be made for the mapping'; exit 0; }
for f in /etc/subuid /etc/subgid; do
	grep -qs '^dockremap:' $f || echo 'dockremap:200000:65536' >> $f
done
exit 0`
)

// userNamespace has podman map a container's ids, and docker's daemon those of
// all containers (userns-remap), whose storage then is another.
func userNamespace(ctx context.Context, e engine.Engine) error {
	not, err := probe.Output(ctx, e.Guest(), "sh", remapScript, string(e.Name))
	if err != nil {
		return err
	}
	if not = strings.TrimSpace(not); not != "" {
		return check.Skipf("%s", not)
	}
	ref, err := e.Ref(busybox)
	if err != nil {
		return err
	}
	args := []string{"run", "--rm"}
	if e.Name == engine.Docker {
		if err := e.Restarted(ctx, "userns-remap", "dockremap"); err != nil {
			return err
		}
	} else {
		args = append(args, "--uidmap", "0:200000:1000", "--gidmap", "0:200000:1000")
	}
	if err := e.Pull(ctx, ref); err != nil {
		return err
	}
	if err := e.Files(ctx, foreignFolder, nil); err != nil {
		return err
	}
	if err := e.Guest().WriteFile(ctx, foreignFolder+"/file", strings.NewReader("for the host's root\n"), 0o600); err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container in a user namespace", append(args, "-v", foreignFolder+":/foreign:ro", ref, "sh", "-c", mapScript)...)
	if err != nil {
		return err
	}
	f := strings.Fields(out)
	switch {
	case len(f) < 3 || f[0] != "0":
		return check.FailWith(out, "the container's user map cannot be read: %q", probe.Clip(out, 100))
	case f[1] == "0":
		return check.FailWith(out, "root in the container is the host's root (user map %s)", strings.Join(f[:3], " "))
	case probe.Pairs(out)["read"] != "":
		return check.FailWith(out, "root in the container reads a file that is the host's root's alone")
	}
	return nil
}
