package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "root-login", Title: "root cannot log in over SSH with a password", Run: rootLogin,
})

// sshdScript prints the server's settings as they hold for root coming from
// elsewhere; 192.0.2.1 is an address kept for documentation.
const sshdScript = `
for s in sshd /usr/sbin/sshd /usr/lib/ssh/sshd; do command -v "$s" >/dev/null 2>&1 && break; s=; done
[ -n "$s" ] || exit 127
s=$(command -v "$s")
"$s" -T -C user=root,host=client.example,addr=192.0.2.1`

// sshdSettings are the server's settings by their lower-case names.
func sshdSettings(ctx context.Context, t *check.T) (map[string]string, error) {
	r, err := probe.Run(ctx, t, 0, sshdScript)
	switch {
	case err != nil:
		return nil, err
	case r.Exit == probe.Missing:
		return nil, probe.NotShipped("OpenSSH server")
	case !r.OK():
		// It serves us right now, so its configuration is readable to it: the
		// test mode alone has a complaint (no privilege separation folder yet).
		return nil, check.Skipf("sshd does not print its settings: %s", probe.OneLine(r.Said()))
	}
	settings := map[string]string{}
	for _, l := range probe.Lines(r.Stdout) {
		k, v, _ := strings.Cut(l, " ")
		settings[strings.ToLower(k)] = v
	}
	return settings, nil
}

func rootLogin(ctx context.Context, t *check.T) error {
	s, err := sshdSettings(ctx, t)
	if err != nil {
		return err
	}
	if s["permitemptypasswords"] == "yes" {
		return check.Failf("sshd lets accounts without a password in (PermitEmptyPasswords yes)")
	}
	if s["permitrootlogin"] != "yes" {
		return nil
	}
	for _, method := range []string{"passwordauthentication", "kbdinteractiveauthentication", "challengeresponseauthentication"} {
		if s[method] == "yes" {
			return check.Failf("root may log in over SSH with a password (PermitRootLogin yes, %s yes); set PermitRootLogin prohibit-password", method)
		}
	}
	return nil
}
