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
// elsewhere, and once more as if the seed had said nothing of passwords; 192.0.2.1 is
// an address kept for documentation. A file of cloud-init's that the tree ships is
// the image's own, and so is what cloud-init writes because the image's configuration
// turns passwords off: of several files that say so, the last counts. Source:
// cloud-init, cloudinit/util.py (read_conf_with_confd, is_false).
const sshdScript = `
for s in sshd /usr/sbin/sshd /usr/lib/ssh/sshd; do command -v "$s" >/dev/null 2>&1 && break; s=; done
[ -n "$s" ] || exit 127
s=$(command -v "$s")
ask() { "$s" -T -C user=root,host=client.example,addr=192.0.2.1 "$@"; }
ask || exit
seed=/etc/ssh/sshd_config.d/50-cloud-init.conf
main=/etc/ssh/sshd_config
[ -f "$main" ] || main=/usr/etc/ssh/sshd_config
[ -f "$seed" ] && [ -f "$main" ] || exit 0
tmp=$(mktemp -d) || exit 0
trap 'rm -rf "$tmp"' EXIT
here() { sed "/^[ \t]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee][ \t]/{s#/etc/ssh/sshd_config\.d/#$tmp/d/#g;s#\([ \t]\)sshd_config\.d/#\1$tmp/d/#g;}" "$1"; }
mkdir "$tmp/d"
pwauth=$(for f in /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg; do
	[ -f "$f" ] && sed -n 's/^ssh_pwauth:[[:space:]]*//p' "$f"
done | tail -n 1 | sed "s/[[:space:]]*\(#.*\)\{0,1\}\$//;s/[\"']//g" | tr A-Z a-z)
case $pwauth in false|no|off|0) echo 'PasswordAuthentication no' >"$tmp/d/${seed##*/}" ;; esac
for f in /etc/ssh/sshd_config.d/*; do
	tree=/usr$f
	[ "$f" = "$seed" ] && { [ -f "$tree" ] || continue; f=$tree; }
	[ -f "$f" ] && here "$f" >>"$tmp/d/${f##*/}"
done
here "$main" >"$tmp/main"
if said=$(ask -f "$tmp/main" 2>/dev/null); then echo "$said" | sed 's/^/seedless-/'; fi
exit 0`

// seedless precedes a setting as it is without what cloud-init wrote. With the
// harness's seed that turns passwords off, and so hides what the image does for
// whoever starts it with another seed, or none.
const seedless = "seedless-"

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
	for _, c := range []struct{ prefix, where string }{{"", ""}, {seedless, "; cloud-init's file hides it with this seed, and will not with another"}} {
		if method := rootsPassword(s, c.prefix); method != "" {
			return check.Failf("root may log in over SSH with a password (PermitRootLogin yes, %s yes%s); set PermitRootLogin prohibit-password", method, c.where)
		}
	}
	return nil
}

// rootsPassword is the method by which root may log in with a password, if any.
func rootsPassword(s map[string]string, prefix string) string {
	if s[prefix+"permitrootlogin"] != "yes" {
		return ""
	}
	for _, method := range []string{"passwordauthentication", "kbdinteractiveauthentication", "challengeresponseauthentication"} {
		if s[prefix+method] == "yes" {
			return method
		}
	}
	return ""
}
