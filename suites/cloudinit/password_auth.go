package cloudinit

import (
	"context"
	"slices"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "password-auth", Title: "SSH takes no passwords, as the seed says, and the user's password is locked", Run: passwordAuth,
})

const passwordAuthScript = need + `
for s in sshd /usr/sbin/sshd; do command -v "$s" >/dev/null 2>&1 && break; s=; done
[ -n "$s" ] && { s=$(command -v "$s"); "$s" -T -C "user=$1,host=client.example,addr=192.0.2.1" 2>/dev/null | grep -i -E '^(passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication|usepam|authenticationmethods) '; }
while IFS=: read -r name secret _; do
	[ "$name" = "$1" ] || continue
	case $secret in '') echo 'secret empty' ;; '!'*|'*'*) echo 'secret locked' ;; *) echo 'secret set' ;; esac
done < /etc/shadow
exit 0`

// byPasswordAlone reports whether sshd lets in whom PAM knows by that alone. Each
// word of its AuthenticationMethods lists all that are wanted together.
func byPasswordAlone(methods string) bool {
	words := strings.Fields(methods)
	return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool {
		return w == "any" || strings.HasPrefix(w, "keyboard-interactive") && !strings.Contains(w, ",")
	})
}

func passwordAuth(ctx context.Context, t *check.T) error {
	if t.Env.User == "" {
		return check.Skipf("the seed makes no user")
	}
	out, err := probe.Output(ctx, t, "cloud-init", passwordAuthScript, t.Env.User)
	if err != nil {
		return err
	}
	got := map[string]string{}
	for _, l := range probe.Lines(out) {
		k, v, _ := strings.Cut(l, " ")
		got[strings.ToLower(k)] = v
	}
	switch {
	case got["passwordauthentication"] == "yes":
		return check.Failf("SSH takes passwords although the seed says ssh_pwauth: false (does sshd read what cloud-init writes in sshd_config.d?)")
	case got["usepam"] == "yes" && byPasswordAlone(got["authenticationmethods"]) && (got["kbdinteractiveauthentication"] == "yes" || got["challengeresponseauthentication"] == "yes"):
		return check.Failf("SSH takes passwords by keyboard-interactive, through PAM, although the seed says ssh_pwauth: false (set KbdInteractiveAuthentication no in sshd_config)")
	case got["secret"] == "empty":
		return check.Failf("the seed's user %s has an empty password, not a locked one", t.Env.User)
	case got["secret"] == "set":
		return check.Failf("the seed's user %s has a password that no seed gave it", t.Env.User)
	}
	return nil
}
