package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "back-doors", Title: "nobody gets in, or becomes root, by what the image brought", Run: backDoors,
})

// doorScript prints who gets in without a secret of the host's own: lines of
// authorized keys ("key ACCOUNT FILE LINE"), accounts that are root ("root
// ACCOUNT"), what sudo lets an account of no group do ("sudo LINE"), and how
// services start ("unit ..." in blocks). A file of keys may serve several
// accounts; the first is named. Beside the usual files of keys are those that sshd
// names, when it can be asked: with %h, %u, %U and %% in them, and relative to the
// home folder. Source: sshd_config(5), AuthorizedKeysFile and TOKENS.
const doorScript = `
named=
for s in sshd /usr/sbin/sshd /usr/lib/ssh/sshd; do
	s=$(command -v "$s") || continue
	named=$("$s" -T -C user=root,host=client.example,addr=192.0.2.1 2>/dev/null |
		sed -n 's/^[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Ee][Dd][Kk][Ee][Yy][Ss][Ff][Ii][Ll][Ee] //p')
	break
done
keyfile() {
	rest=$1 file=
	while :; do
		case $rest in *%*) file=$file${rest%%\%*} rest=${rest#*%} ;; *) file=$file$rest; break ;; esac
		case $rest in h*) file=$file${home%/} ;; u*) file=$file$name ;; U*) file=$file$uid ;; %*) file=$file% ;; esac
		rest=${rest#?}
	done
	case $file in /*) ;; *) file=${home%/}/$file ;; esac
}
keys() {
	while IFS= read -r line || [ -n "$line" ]; do
		case ${line#"${line%%[! $tab]*}"} in ''|'#'*) ;; *) printf 'key %s %s %s\n' "$name" "$1" "$line" ;; esac
	done <"$1"
}
accounts() { getent passwd 2>/dev/null || cat /etc/passwd; }
tab=$(printf '\t')
accounts | while IFS=: read -r name _ uid _ _ home _; do
	case $name in ''|'#'*|+*|-*) continue ;; esac
	[ "$uid" = 0 ] && echo "root $name"
	for f in "${home%/}"/.ssh/authorized_keys "${home%/}"/.ssh/authorized_keys2 "${home%/}"/.ssh/authorized_keys.d/* \
		/etc/ssh/authorized_keys/"$name" /etc/ssh/authorized_keys.d/"$name"; do
		[ -f "$f" ] && keys "$f"
	done
	set -f
	for f in $named; do
		case $f in none|.ssh/authorized_keys|.ssh/authorized_keys2|%h/.ssh/authorized_keys) continue ;; esac
		keyfile "$f"
		[ -f "$file" ] && keys "$file"
	done
	set +f
done
if command -v sudo >/dev/null 2>&1; then
	LC_ALL=C sudo -n -l -U nobody 2>/dev/null | sed 's/^/sudo /'
fi
command -v systemctl >/dev/null 2>&1 &&
	systemctl show --no-pager --property=Id,ActiveState,UnitFileState,ExecStart 'getty@*.service' 'serial-getty@*.service' \
		'container-getty@*.service' console-getty.service debug-shell.service | sed 's/^./unit &/'
exit 0`

func backDoors(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", doorScript)
	if err != nil {
		return err
	}
	var bad []string
	bad = append(bad, strangeKeys(t, linesOf("key", out))...)
	bad = append(bad, moreRoots(linesOf("root", out))...)
	bad = append(bad, sudoForAll(linesOf("sudo", out))...)
	bad = append(bad, openConsoles(out)...)
	if len(bad) > 0 {
		return check.FailWith(strings.Join(bad, "\n"), "%s", probe.Some(bad))
	}
	return nil
}
