package base

import (
	"fmt"
	"regexp"
	"strings"

	"assay/artifact"
	"assay/suites/check"
)

// keyMaterial is the key itself in a line of authorized keys, without options
// and comment. Every one begins with a length below 256 in four bytes.
// Source: RFC 4253, 6.6.
var keyMaterial = regexp.MustCompile(`(?:^|\s)(?:ssh-|ecdsa-|sk-)\S+\s+(AAAA[0-9A-Za-z+/]+=*)`)

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
