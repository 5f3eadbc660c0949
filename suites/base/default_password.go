package base

import (
	"context"
	"fmt"
	"strings"

	"assay/artifact"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "default-password", Title: "no account has a password that the image brought", Run: defaultPassword,
})

// passwordScript prints each account that a password opens, and how: nothing
// of the hash leaves the guest. An account listed twice counts by its first line.
const passwordScript = `
one() {
	while IFS=: read -r name secret _; do
		case $name in ''|'#'*|+*|-*) continue ;; esac
		case $secret in
		'') echo "empty $name $1" ;;
		x) [ "$1" = /etc/passwd ] || echo "locked $name $1" ;;
		'!'*|'*'*) echo "locked $name $1" ;;
		'$'*|_*|?????????????) echo "set $name $1" ;;
		*) echo "locked $name $1" ;;
		esac
	done < "$1"
}
for f in /etc/passwd /etc/shadow; do [ -r "$f" ] && one "$f"; done
[ -r /usr/etc/shadow ] && one /usr/etc/shadow | sed 's/^/tree /'
exit 0`

func defaultPassword(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", passwordScript)
	if err != nil {
		return err
	}
	inTree := map[string]bool{}
	for _, l := range probe.Lines(out) {
		if f := strings.Fields(l); len(f) == 4 && f[0] == "tree" && f[1] != "locked" {
			inTree[f[2]] = true
		}
	}
	var bad []string
	for _, l := range probe.Lines(out) {
		f := strings.Fields(l)
		if len(f) != 3 || f[0] == "locked" || f[0] == "tree" {
			continue
		}
		account, where := f[1], f[2]
		if account == t.Env.User && !inTree[account] {
			continue // the seed made it, and what it gave it is not the image's
		}
		if t.Env.ImageFormat == artifact.VagrantLibvirt && (account == "vagrant" || account == "root") && f[0] == "set" {
			// Vagrant's rules for boxes give both a public password.
			// https://developer.hashicorp.com/vagrant/docs/boxes/base
			t.Log("%s has a password, as Vagrant boxes do", account)
			continue
		}
		if f[0] == "empty" {
			bad = append(bad, fmt.Sprintf("account %s needs no password (empty in %s)", account, where))
		} else {
			bad = append(bad, fmt.Sprintf("account %s has a password set in %s, the same on every host of this image", account, where))
		}
	}
	if len(bad) > 0 {
		return check.FailWith(strings.Join(bad, "\n"), "%s; lock it with passwd -l", probe.Some(bad))
	}
	return nil
}
