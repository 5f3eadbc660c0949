package sign

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// ed25519Key is a key in a file; see openPGPKey.
type ed25519Key struct{ file string }

func openEd25519(file string) (key, error) {
	k := &ed25519Key{file}
	_, err := k.load()
	return k, err
}

// load reads a secret key as ostree takes it (base64 of the 32 bytes of the seed
// and the 32 of the public key), a bare seed, or PEM.
func (k *ed25519Key) load() (ed25519.PrivateKey, error) {
	b, err := readSecret(k.file)
	if err != nil {
		return nil, fmt.Errorf("cannot read ed25519 key: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if secret, ok := any.(ed25519.PrivateKey); ok && err == nil {
			return secret, nil
		}
		return nil, fmt.Errorf("cannot read ed25519 key %s: its PEM holds no ed25519 key", k.file)
	}
	secret, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b)))
	switch {
	case err == nil && len(secret) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(secret), nil
	case err == nil && len(secret) == ed25519.PrivateKeySize:
		key := ed25519.NewKeyFromSeed(secret[:ed25519.SeedSize])
		if !bytes.Equal(key, secret) {
			return nil, fmt.Errorf("cannot use ed25519 key %s: its two halves do not belong together", k.file)
		}
		return key, nil
	}
	return nil, fmt.Errorf("cannot read ed25519 key %s: want PEM, or base64 of 32 or 64 bytes", k.file)
}

func (k *ed25519Key) sign(_ context.Context, f form, p payload) ([]byte, error) {
	if f != raw {
		return nil, fmt.Errorf("an ed25519 key makes no %s signature", f)
	}
	secret, err := k.load()
	if err != nil {
		return nil, err
	}
	message, err := io.ReadAll(io.LimitReader(p.read, maxSignature+1))
	if err == nil && len(message) > maxSignature {
		err = fmt.Errorf("cannot sign %s: more than %d bytes", p.name, maxSignature)
	}
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(secret, message), nil
}

// readEd25519Public reads a public key: base64 as ostree takes it, or PEM.
func readEd25519Public(file string) (ed25519.PublicKey, error) {
	b, err := os.ReadFile(file) //nolint:gosec // named by the configuration
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil {
		any, err := x509.ParsePKIXPublicKey(block.Bytes)
		if public, ok := any.(ed25519.PublicKey); ok && err == nil {
			return public, nil
		}
		return nil, fmt.Errorf("cannot read %s: its PEM holds no ed25519 public key", file)
	}
	public, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil || len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("cannot read %s: want an ed25519 public key in PEM, or base64 of 32 bytes", file)
	}
	return public, nil
}
