package sign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// openPGPKey is a key in a file, read at each signature: a key that was renewed
// is used at once, and a secret is in memory no longer than it has to be.
type openPGPKey struct{ file, passphrase string }

func openOpenPGP(file, passphrase string) (key, error) {
	k := &openPGPKey{file, passphrase}
	_, err := k.load() // a typo is found when the service starts
	return k, err
}

func (k *openPGPKey) load() (*openpgp.Entity, error) {
	b, err := readSecret(k.file)
	if err != nil {
		return nil, fmt.Errorf("cannot read OpenPGP key: %w", err)
	}
	read := openpgp.ReadKeyRing
	if bytes.Contains(b, []byte("-----BEGIN PGP")) {
		read = openpgp.ReadArmoredKeyRing
	}
	ring, err := read(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("cannot read OpenPGP key %s: %w", k.file, err)
	}
	if len(ring) != 1 || ring[0].PrivateKey == nil {
		return nil, fmt.Errorf("cannot use %s: it has %d keys, want the secret key of one", k.file, len(ring))
	}
	if k.passphrase == "" {
		return ring[0], nil
	}
	p, err := readSecret(k.passphrase)
	if err != nil {
		return nil, fmt.Errorf("cannot read passphrase: %w", err)
	}
	if err := ring[0].DecryptPrivateKeys(bytes.TrimRight(p, "\r\n")); err != nil {
		return nil, fmt.Errorf("cannot unlock OpenPGP key %s with the passphrase in %s", k.file, k.passphrase)
	}
	return ring[0], nil
}

func (k *openPGPKey) sign(_ context.Context, f form, p payload) ([]byte, error) {
	entity, err := k.load()
	if err != nil {
		return nil, err
	}
	plain := false // the salt of go-crypto's signatures is a notation that old programs do not know
	config := &packet.Config{DefaultHash: crypto.SHA256, NonDeterministicSignaturesViaNotation: &plain}
	signing, ok := entity.SigningKey(time.Now())
	if !ok {
		return nil, fmt.Errorf("OpenPGP key %X in %s may not sign now: it is expired, revoked or not for signing; renew it and its public key", entity.PrimaryKey.Fingerprint, k.file)
	}
	if signing.PrivateKey == nil || signing.PrivateKey.Encrypted {
		return nil, fmt.Errorf("OpenPGP key %s is locked: set passphrase_file", k.file)
	}
	var out bytes.Buffer
	switch f {
	case clearsigned:
		var w io.WriteCloser
		if w, err = clearsign.Encode(&out, signing.PrivateKey, config); err == nil {
			// The last line break belongs to the armor, as with gpg.
			var text []byte
			if text, err = io.ReadAll(p.read); err == nil {
				_, err = w.Write(bytes.TrimRight(text, "\n"))
				err = errors.Join(err, w.Close())
			}
		}
		out.WriteByte('\n')
	case armored:
		err = openpgp.ArmoredDetachSign(&out, entity, p.read, config)
		out.WriteByte('\n')
	case binary:
		err = openpgp.DetachSign(&out, entity, p.read, config)
	default:
		err = fmt.Errorf("an OpenPGP key makes no %s signature", f)
	}
	if err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
