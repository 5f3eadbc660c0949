package sign

import (
	"fmt"
	"slices"
	"strings"
)

// What is one sort of signature.
type What string

// The sorts of signatures.
const (
	// Checksums is one clear-signed CHECKSUM file for each architecture.
	Checksums What = "checksums"
	// Images is a detached signature beside each image.
	Images What = "images"
	// Commits are signatures of the ostree commits.
	Commits What = "commits"
	// Attestation is an in-toto test result for each image.
	Attestation What = "attestation"
)

// Config is one key: where its secret is and what it signs. Exactly one of File,
// Agent, Command and Bus is set.
type Config struct {
	// Kind is "openpgp" (when empty) or "ed25519".
	Kind Kind `yaml:"kind"`
	// File has the secret key: an OpenPGP key as `gpg --export-secret-keys`
	// writes it; for ed25519 what `ostree sign` takes (base64) or PEM. Nobody but
	// its owner may be able to read it.
	File string `yaml:"file"`
	// PassphraseFile has its passphrase, if there is one.
	PassphraseFile string `yaml:"passphrase_file"`
	// Agent signs with a key that gpg-agent keeps.
	Agent *Agent `yaml:"agent"`
	// Command is a signing service: the payload comes on standard input, the
	// signature is expected on standard output. In its arguments {form} becomes
	// clearsign, armored, binary or raw (ed25519), {name} the name of what is
	// signed.
	Command []string `yaml:"command"`
	// Bus is a signing service that is asked by message; it signs images only.
	Bus *BusConfig `yaml:"bus"`
	// Public has the public key, which decides whether a signature is good:
	// OpenPGP as gpg exports it, ed25519 in base64 or PEM.
	Public string `yaml:"public"`
	// Sign lists what to sign; empty is all that the kind of key can.
	Sign []What `yaml:"sign"`
	// Detached is the form of signatures of images: "asc" (armored, when empty)
	// or "sig" (binary).
	Detached string `yaml:"detached"`
	// ChecksumFile names CHECKSUM files; "{stream}-{build}-{arch}-CHECKSUM" when
	// empty. It has to hold {arch}.
	ChecksumFile string `yaml:"checksum_file"`
}

// Kind is a signature scheme.
type Kind string

// The kinds of keys.
const (
	OpenPGP Kind = "openpgp"
	Ed25519 Kind = "ed25519"
)

// Agent is a key of a GnuPG agent.
type Agent struct {
	// Fingerprint is the whole one, of the key or of a subkey.
	Fingerprint string `yaml:"fingerprint"`
	// Homedir is GnuPG's folder; empty is its own default.
	Homedir string `yaml:"homedir"`
}

// BusConfig is a signing service on the message bus, in the form of Fedora
// CoreOS: a request names a file and its checksum, and the service puts a
// signature beside it, named .sig.
type BusConfig struct {
	Topic string `yaml:"topic"`
}

// can lists what a key of this configuration is able to sign.
func (c Config) can() []What {
	switch {
	case c.Bus != nil:
		return []What{Images}
	case c.Kind == Ed25519:
		return []What{Commits, Attestation}
	default:
		return []What{Checksums, Images, Commits, Attestation}
	}
}

// check fills in defaults and refuses what makes no sense.
func (c *Config) check() error {
	if c.Kind == "" {
		c.Kind = OpenPGP
	}
	if c.Kind != OpenPGP && c.Kind != Ed25519 {
		return fmt.Errorf("kind %q: want openpgp or ed25519", c.Kind)
	}
	backends := 0
	for _, has := range []bool{c.File != "", c.Agent != nil, len(c.Command) > 0, c.Bus != nil} {
		if has {
			backends++
		}
	}
	if backends != 1 {
		return fmt.Errorf("want exactly one of file, agent, command and bus, not %d", backends)
	}
	if c.Public == "" {
		return fmt.Errorf("public is missing: the file with the public key, to verify with")
	}
	if c.Kind == Ed25519 && (c.Agent != nil || c.Bus != nil) {
		return fmt.Errorf("an ed25519 key is in a file or with a command")
	}
	if c.Agent != nil && !isFingerprint(c.Agent.Fingerprint) {
		return fmt.Errorf("agent: fingerprint %.60q: want 40 or 64 hexadecimal digits", c.Agent.Fingerprint)
	}
	if c.Bus != nil && c.Bus.Topic == "" {
		return fmt.Errorf("bus: topic is missing")
	}
	if len(c.Sign) == 0 {
		c.Sign = c.can()
	}
	for _, w := range c.Sign {
		if !slices.Contains(c.can(), w) {
			return fmt.Errorf("sign: this key cannot sign %q, only %v", w, c.can())
		}
	}
	if c.Detached == "" {
		c.Detached = "asc"
		if c.Bus != nil {
			c.Detached = "sig"
		}
	}
	if c.Detached != "asc" && c.Detached != "sig" || c.Bus != nil && c.Detached != "sig" {
		return fmt.Errorf("detached %q: want asc or sig, and sig for a service on the bus", c.Detached)
	}
	if c.ChecksumFile == "" {
		c.ChecksumFile = "{stream}-{build}-{arch}-CHECKSUM"
	}
	if !strings.Contains(c.ChecksumFile, "{arch}") || !strings.HasSuffix(c.ChecksumFile, "CHECKSUM") {
		return fmt.Errorf("checksum_file %q: want {arch} in it and CHECKSUM at its end", c.ChecksumFile)
	}
	return nil
}

func isFingerprint(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(strings.ToUpper(s), "0123456789ABCDEF") == ""
}
