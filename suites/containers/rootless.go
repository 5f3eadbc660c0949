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
	Name: "rootless", Title: "an ordinary user runs containers without root's rights", Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, rootless) },
})

// rootlessScript prints what user $1 has for containers of its own, and starts
// its session so that it has a place for run time files.
const rootlessScript = `
uid=$(id -u "$1" 2>/dev/null) || { echo 'nouser=1'; exit 0; }
echo "uid=$uid"
if command -v newuidmap >/dev/null 2>&1; then
	echo 'newuidmap=1'
elif { rpm -ql shadow-utils shadow; dpkg -L uidmap; } 2>/dev/null | grep -q '/newuidmap$'; then
	echo 'lost=1'
fi
[ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 1)" != 0 ] || echo 'none=1'
echo "subuid=$(grep -s -e "^$1:" -e "^$uid:" /etc/subuid | head -n 1)"
# Other sources than the file: sssd's.
grep -qs '^subid:.*[a-z]' /etc/nsswitch.conf && ! grep -qs '^subid:[[:space:]]*files[[:space:]]*$' /etc/nsswitch.conf && echo 'elsewhere=1'
[ -d "/run/user/$uid" ] || { command -v loginctl >/dev/null 2>&1 && loginctl enable-linger "$1"; systemctl start "user@$uid.service" 2>/dev/null; }
[ -d "/run/user/$uid" ] && echo "run=/run/user/$uid"
echo "home=$(getent passwd "$1" | cut -d: -f6)"
exit 0`

func rootless(ctx context.Context, e engine.Engine) error {
	own, uid, err := ordinaryUser(ctx, e)
	if err != nil {
		return err
	}
	ref, err := own.Image(ctx, busybox)
	if err != nil {
		return err
	}
	// Root inside is the user outside: the map's first line says so.
	got, err := own.Must(ctx, "run a container without root", "run", "--rm", ref, "sh", "-c", "id -u; cat /proc/self/uid_map")
	if err != nil {
		return err
	}
	f := strings.Fields(got)
	if len(f) < 4 || f[0] != "0" || f[1] != "0" || f[2] != uid {
		return check.FailWith(got, "root in a container of user %s is not that user outside (uid map %s)", e.Guest().Env.User, strings.Join(f, " "))
	}
	return nil
}

// ordinaryUser is the engine in the hands of the seed's user, in a session of
// its own, and that user's id.
func ordinaryUser(ctx context.Context, e engine.Engine) (own engine.Engine, uid string, err error) {
	t := e.Guest()
	if e.Name != engine.Podman {
		return own, "", check.Skipf("it needs a setup per user to run without root")
	}
	if t.Env.User == "" {
		return own, "", check.Skipf("the seed makes no ordinary user")
	}
	out, err := probe.OutputWithin(ctx, t, 30*time.Second, "id", rootlessScript, t.Env.User)
	if err != nil {
		return own, "", err
	}
	p := probe.Pairs(out)
	switch {
	case p["nouser"] != "":
		return own, "", check.Skipf("the user %s does not exist", t.Env.User)
	case p["none"] != "":
		return own, "", check.Skipf("the host makes no user namespaces (user.max_user_namespaces is 0)")
	case p["newuidmap"] == "" && p["lost"] != "":
		return own, "", check.Failf("newuidmap is missing although its package is installed: no user but root can run containers")
	case p["newuidmap"] == "":
		return own, "", check.Skipf("the image ships no newuidmap")
	case p["subuid"] == "" && p["elsewhere"] == "":
		return own, "", check.Failf("user %s has no subordinate user ids in /etc/subuid (useradd gives them by SUB_UID_COUNT in /etc/login.defs)", t.Env.User)
	case p["run"] == "":
		return own, "", check.Failf("user %s has no /run/user/%s: no session can be started for it", t.Env.User, p["uid"])
	}
	return e.As(t.Env.User, map[string]string{"XDG_RUNTIME_DIR": p["run"], "HOME": p["home"]}), p["uid"], nil
}
