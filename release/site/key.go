package site

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"assay/reports"
)

// publicKey is a key as the site offers it.
type publicKey struct {
	Name        string
	File        string // below keys/
	Fingerprint string // in groups of four
	Users       []string
	binary      []byte
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// maxKey bounds a key, in bytes: one with some signatures has a few thousand.
const maxKey = 1 << 20

// publicKeys reads keys and refuses what holds a secret.
func publicKeys(keys []Key) (out []publicKey, err error) {
	for _, k := range keys {
		p, err := newPublicKey(k)
		if err != nil {
			return nil, fmt.Errorf("cannot read public key %.100q: %w", k.Name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func newPublicKey(k Key) (p publicKey, err error) {
	if !keyName.MatchString(k.Name) {
		return p, fmt.Errorf("want a name that can be a file name")
	}
	binary := k.OpenPGP
	if bytes.Contains(k.OpenPGP, []byte("-----BEGIN PGP")) {
		block, err := armor.Decode(bytes.NewReader(k.OpenPGP))
		if err != nil {
			return p, err
		}
		if binary, err = io.ReadAll(io.LimitReader(block.Body, maxKey+1)); err != nil {
			return p, err
		}
	}
	if len(binary) > maxKey {
		return p, fmt.Errorf("it has more than %d bytes", maxKey)
	}
	ring, err := openpgp.ReadKeyRing(bytes.NewReader(binary))
	if err != nil {
		return p, err
	}
	for _, e := range ring {
		if e.PrivateKey != nil {
			return p, fmt.Errorf("it holds a secret key; export the public one")
		}
	}
	p = publicKey{Name: k.Name, File: k.Name + ".gpg", binary: binary, Fingerprint: grouped(ring[0].PrimaryKey.Fingerprint)}
	for _, id := range ring[0].Identities {
		p.Users = append(p.Users, reports.Line(id.Name, maxName))
	}
	slices.Sort(p.Users)
	return p, nil
}

func grouped(fingerprint []byte) string {
	var b strings.Builder
	for i, c := range strings.ToUpper(fmt.Sprintf("%x", fingerprint)) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
