package base

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"assay/artifact"
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
// accounts; the first is named.
const doorScript = `
accounts() { getent passwd 2>/dev/null || cat /etc/passwd; }
tab=$(printf '\t')
accounts | while IFS=: read -r name _ uid _ _ home _; do
	case $name in ''|'#'*|+*|-*) continue ;; esac
	[ "$uid" = 0 ] && echo "root $name"
	for f in "${home%/}"/.ssh/authorized_keys "${home%/}"/.ssh/authorized_keys2 "${home%/}"/.ssh/authorized_keys.d/* \
		/etc/ssh/authorized_keys/"$name" /etc/ssh/authorized_keys.d/"$name"; do
		[ -f "$f" ] || continue
		while IFS= read -r line || [ -n "$line" ]; do
			case ${line#"${line%%[! $tab]*}"} in ''|'#'*) ;; *) printf 'key %s %s %s\n' "$name" "$f" "$line" ;; esac
		done <"$f"
	done
done
if command -v sudo >/dev/null 2>&1; then
	LC_ALL=C sudo -n -l -U nobody 2>/dev/null | sed 's/^/sudo /'
fi
command -v systemctl >/dev/null 2>&1 &&
	systemctl show --no-pager --property=Id,ActiveState,UnitFileState,ExecStart 'getty@*.service' 'serial-getty@*.service' \
		'container-getty@*.service' console-getty.service debug-shell.service | sed 's/^./unit &/'
exit 0`

// keyMaterial is the key itself in a line of authorized keys, without options
// and comment. Every one begins with a length below 256 in four bytes.
// Source: RFC 4253, 6.6.
var keyMaterial = regexp.MustCompile(`(?:^|\s)(?:ssh-|ecdsa-|sk-)\S+\s+(AAAA[0-9A-Za-z+/]+=*)`)

func backDoors(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", doorScript)
	if err != nil {
		return err
	}
	said := func(prefix string) (lines []string) {
		for _, l := range probe.Lines(out) {
			if rest, ok := strings.CutPrefix(l, prefix+" "); ok {
				lines = append(lines, rest)
			}
		}
		return lines
	}
	var bad []string
	bad = append(bad, strangeKeys(t, said("key"))...)
	bad = append(bad, moreRoots(said("root"))...)
	bad = append(bad, sudoForAll(said("sudo"))...)
	bad = append(bad, openConsoles(out)...)
	if len(bad) > 0 {
		return check.FailWith(strings.Join(bad, "\n"), "%s", probe.Some(bad))
	}
	return nil
}

// strangeKeys are keys that let somebody else in than the seed's key does.
// cloud-init may have written that for root, too, behind a forced command.
func strangeKeys(t *check.T, lines []string) (bad []string) {
	own := keyMaterial.FindStringSubmatch(t.Env.AuthorizedKey)
	if own == nil {
		return nil // somebody else's seed: which keys are its is not known
	}
	seen := map[string]bool{}
	for _, l := range lines {
		f := strings.SplitN(l, " ", 3)
		if len(f) != 3 || seen[f[1]] {
			continue
		}
		account, file := f[0], f[1]
		key := keyMaterial.FindStringSubmatch(f[2])
		if key == nil || key[1] == own[1] {
			continue // no line that sshd takes, or the seed's
		}
		seen[file] = true
		if t.Env.ImageFormat == artifact.VagrantLibvirt && (account == "vagrant" || account == "root") {
			// Vagrant's rules for boxes have both let a public key in.
			// https://developer.hashicorp.com/vagrant/docs/boxes/base
			t.Log("%s lets a key in, as Vagrant boxes do", file)
			continue
		}
		bad = append(bad, fmt.Sprintf("%s of account %s lets a key in that is not the seed's, on every host of this image; remove the file", file, account))
	}
	return bad
}

func moreRoots(accounts []string) (bad []string) {
	for _, name := range accounts {
		if name != "root" {
			bad = append(bad, fmt.Sprintf("account %s has user id 0: it is root by another name", name))
		}
	}
	return bad
}

// sudoRule is a line of sudo's list: whom the account may become, and what
// follows: "(ALL : ALL) NOPASSWD: ALL".
var sudoRule = regexp.MustCompile(`^\(([^)]*)\) (.*)$`)

// sudoForAll are rules that hold for everybody: without a password, or for every
// command. With targetpw or rootpw, as openSUSE has it, who calls must know
// another's password, and the second kind gives nothing away.
func sudoForAll(lines []string) (bad []string) {
	settings, rules, _ := strings.Cut(strings.Join(lines, "\n"), "may run the following commands")
	guarded := strings.Contains(settings, "targetpw") || strings.Contains(settings, "rootpw")
	for _, l := range probe.Lines(rules) {
		m := sudoRule.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if free := strings.Contains(m[2], "NOPASSWD:"); free || !guarded && (m[2] == "ALL" || strings.HasSuffix(m[2], ": ALL")) {
			bad = append(bad, fmt.Sprintf("sudo lets every account run commands as another (%s); name the users or the group", l))
		}
	}
	return bad
}

var (
	autologin = regexp.MustCompile(`getty\b.*\s(?:--autologin(?:=|\s+)|-a\s*)([^\s;-]\S*)`)
	unitBlock = regexp.MustCompile(`(?m)^unit `)
)

// openConsoles are consoles that run, or will at the next boot, and ask nobody
// who they are.
func openConsoles(out string) (bad []string) {
	for _, block := range strings.Split(out, "\n\n") {
		if !strings.Contains(block, "unit Id=") {
			continue
		}
		p := probe.Pairs(unitBlock.ReplaceAllString(block, ""))
		if on := p["ActiveState"] == "active" || p["ActiveState"] == "activating" || strings.HasPrefix(p["UnitFileState"], "enabled"); !on {
			continue
		}
		if p["Id"] == "debug-shell.service" {
			bad = append(bad, "debug-shell.service gives whoever is at the console a root shell; disable it")
		} else if m := autologin.FindStringSubmatch(p["ExecStart"]); m != nil {
			bad = append(bad, fmt.Sprintf("unit %s logs %s in without asking for a password (autologin of agetty)", p["Id"], m[1]))
		}
	}
	return bad
}
