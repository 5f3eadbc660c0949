package cloudinit

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "ssh-key", Title: "the seed's user exists, with the seed's SSH key", Run: sshKey,
})

// keyScript prints the account of user $1 and every file that may hold its keys.
const keyScript = need + `
entry=$(getent passwd "$1") || { echo 'nouser=1'; exit 0; }
home=$(echo "$entry" | cut -d: -f6)
echo "home=$home"
echo "shell=$(echo "$entry" | cut -d: -f7)"
echo "homeis=$(stat -L -c '%U %a' "$home" 2>/dev/null)"
for f in "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2 "$home"/.ssh/authorized_keys.d/* "/etc/ssh/authorized_keys/$1" "/etc/ssh/authorized_keys.d/$1"; do
	[ -r "$f" ] || continue
	echo "file=$(stat -L -c '%U %a' "$f") $f"
	sed 's/^/key /' "$f"
done
exit 0`

func sshKey(ctx context.Context, t *check.T) error {
	if t.Env.User == "" || t.Env.AuthorizedKey == "" {
		return check.Skipf("the seed makes no user with a key")
	}
	out, err := probe.Output(ctx, t, "cloud-init", keyScript, t.Env.User)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	if p["nouser"] != "" {
		return check.Failf("the seed's user %s was not made", t.Env.User)
	}
	blob := keyBlob(t.Env.AuthorizedKey)
	var file string
	for _, l := range probe.Lines(out) {
		if f, ok := strings.CutPrefix(l, "file="); ok {
			file = f
			continue
		}
		if k, ok := strings.CutPrefix(l, "key "); ok && keyBlob(k) == blob {
			return keyFileSafe(t.Env.User, file)
		}
	}
	if file == "" {
		return check.Failf("user %s has no authorized_keys file in %s/.ssh", t.Env.User, p["home"])
	}
	return check.FailWith(out, "the seed's key is not among the authorized keys of user %s", t.Env.User)
}

// keyFileSafe judges "owner mode path": a file that others may write lets them
// in, and sshd ignores it.
func keyFileSafe(user, file string) error {
	f := strings.SplitN(file, " ", 3)
	if len(f) != 3 {
		return nil
	}
	if f[0] != user && f[0] != "root" {
		return check.Failf("%s belongs to %s, not to %s", f[2], f[0], user)
	}
	for _, digit := range f[1][max(0, len(f[1])-2):] {
		if strings.ContainsRune("2367", digit) {
			return check.Failf("%s has mode %s: others than %s may write it", f[2], f[1], user)
		}
	}
	return nil
}

// keyBlob is the base64 part of a public key line, with or without options
// before it and a comment behind.
func keyBlob(line string) string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if i+1 < len(fields) && (strings.HasPrefix(f, "ssh-") || strings.HasPrefix(f, "ecdsa-") || strings.HasPrefix(f, "sk-")) {
			return fields[i+1]
		}
	}
	return ""
}
