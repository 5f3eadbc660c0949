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

// keyMaterial is the key itself in a line of authorized keys, without options
// and comment. Every one begins with a length below 256 in four bytes.
// Source: RFC 4253, 6.6.
var keyMaterial = regexp.MustCompile(`(?:^|\s)(?:ssh-|ecdsa-|sk-)\S+\s+(AAAA[0-9A-Za-z+/]+=*)`)

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
	// trusted is a login that is told that the user is known already: -f among
	// login's own options, or those that agetty gives it. systemctl may or may not
	// quote what belongs together; a path after -f is agetty's, a file to show.
	trusted = regexp.MustCompile(`(?:getty\b.*\s(?:-o|--login-options)[=\s]*|/login\s+)["']?(?:-[A-Za-z]+\s+)*-[A-Za-z]*f[A-Za-z]*\s+(?:--\s+)?["']?([^\s/"';-][^\s"';]*)`)
	// promptless is an agetty that asks for no name, as login then does, and
	// otherLogin what it starts in login's place.
	promptless = regexp.MustCompile(`getty\b.*\s(?:--skip-login|-n)\s`)
	otherLogin = regexp.MustCompile(`getty\b.*\s(?:--login-program|-l)[=\s]*["']?(/[^\s"';]+)`)
	// unitProgram is what a unit starts, bareShell a shell that does so, and wrapped
	// one that starts a program which asks who is there.
	unitProgram = regexp.MustCompile(`path=(\S+)`)
	bareShell   = regexp.MustCompile(`/((ba|da|z|k|mk|c|tc|fi|a)?sh|rbash|busybox)$`)
	wrapped     = regexp.MustCompile(`\s-\w*c\s.*[\s/"'](\w*getty|(su)?login)\b|/busybox\s+(getty|login|sulogin)\b`)
)

// openConsole is how a console's command lets people in without asking who they
// are, if it does. agetty's -n alone does not: login asks then.
func openConsole(command string) string {
	var program string
	if m := unitProgram.FindStringSubmatch(command); m != nil {
		program = m[1]
	}
	if m := autologin.FindStringSubmatch(command); m != nil {
		return fmt.Sprintf("logs %s in without asking for a password (autologin of agetty)", m[1])
	}
	if m := trusted.FindStringSubmatch(command); m != nil {
		return fmt.Sprintf("logs %s in without asking for a password (login -f)", m[1])
	}
	if m := otherLogin.FindStringSubmatch(command); m != nil && promptless.MatchString(command) && !asksWho(m[1]) {
		return fmt.Sprintf("gives whoever is at the console %s, and asks for no name (--skip-login of agetty)", m[1])
	}
	if bareShell.MatchString(program) && !wrapped.MatchString(command) {
		return fmt.Sprintf("gives whoever is at the console a shell (%s)", program)
	}
	return ""
}

// asksWho reports whether a program is one that asks for a name or a password.
func asksWho(program string) bool {
	return strings.HasSuffix(program, "/login") || strings.HasSuffix(program, "/sulogin")
}

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
		} else if how := openConsole(p["ExecStart"]); how != "" {
			bad = append(bad, fmt.Sprintf("unit %s %s", p["Id"], how))
		}
	}
	return bad
}
