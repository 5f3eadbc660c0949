package cloudinit

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Options are the harness's wishes for one guest's seed.
type Options struct {
	// InstanceID; empty is "iid-" and 16 random hexadecimal digits.
	InstanceID string
	// Hostname is required.
	Hostname string
	// User is the ordinary user; empty is "assay". It may use sudo without a password.
	User string
	// Groups the user joins.
	Groups []string
	// RootLogin lets root in with the same key.
	RootLogin bool
	// ProofPath is where the user script leaves its proof; empty is
	// /var/lib/assay/proof. A command and a file of the cloud-config leave theirs
	// beside it, with "-runcmd" and "-write-files" added. The texts are random.
	ProofPath string
	// Network; nil is the guest's default, DHCP.
	Network *Network
	// Rand gives the randomness, crypto/rand.Reader but in tests. Required.
	Rand io.Reader
}

// Secrets are the keys that belong to a seed made by New: what the harness needs
// to reach the guest and to know it. It prints without its private part.
type Secrets struct {
	// User is whom AuthorizedKey lets in.
	User string
	// Signer proves that the harness is the user.
	Signer ssh.Signer
	// UserKey is Signer's private key as OpenSSH PEM, for the ssh program.
	UserKey Secret
	// AuthorizedKey is the user's public key line, without a newline.
	AuthorizedKey string
	// HostKey is the only host key that the guest may show.
	HostKey ssh.PublicKey
	// HostKeyLine is HostKey as a public key line, without a newline.
	HostKeyLine string
}

// String tells the public part.
func (s *Secrets) String() string {
	return fmt.Sprintf("keys of %s: user %s, host %s", s.User,
		ssh.FingerprintSHA256(s.Signer.PublicKey()), ssh.FingerprintSHA256(s.HostKey))
}

// Format prints String for every verb.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalJSON keeps the keys out of JSON results.
func (s *Secrets) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// LogValue implements slog.LogValuer.
func (s *Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }

// New makes the seed of one guest: a fresh ed25519 user key and host key, an
// ordinary user with sudo, no passwords, and a user script, a command and a file
// that leave random proofs, so that no proof baked into an image can pass for them.
func New(o Options) (*Seed, *Secrets, error) {
	if o.Rand == nil {
		return nil, nil, errors.New("cannot make a seed: no source of randomness")
	}
	if o.User == "" {
		o.User = "assay"
	}
	if o.ProofPath == "" {
		o.ProofPath = "/var/lib/assay/proof"
	}
	var id, proof, command, file [8]byte
	for _, b := range [][]byte{id[:], proof[:], command[:], file[:]} {
		if _, err := io.ReadFull(o.Rand, b); err != nil {
			return nil, nil, fmt.Errorf("cannot make a seed: %w", err)
		}
	}
	if o.InstanceID == "" {
		o.InstanceID = "iid-" + hex.EncodeToString(id[:])
	}
	user, err := newKey(o.Rand, o.User+"@assay")
	if err != nil {
		return nil, nil, err
	}
	host, err := newKey(o.Rand, o.Hostname)
	if err != nil {
		return nil, nil, err
	}
	seed := &Seed{
		InstanceID: o.InstanceID,
		Hostname:   o.Hostname,
		Users: []User{{
			Name: o.User, Groups: o.Groups, Sudo: "ALL=(ALL) NOPASSWD:ALL", Shell: "/bin/sh", // every host has it
			AuthorizedKeys: []string{user.line},
		}},
		HostKeys: &HostKeys{ED25519Private: host.private, ED25519Public: host.line},
		// Files of their own: what one way leaves must not pass for another's.
		Proof:           &Proof{Path: o.ProofPath, Text: "assay-" + hex.EncodeToString(proof[:])},
		RunCmdProof:     &Proof{Path: o.ProofPath + "-runcmd", Text: "assay-" + hex.EncodeToString(command[:])},
		WriteFilesProof: &Proof{Path: o.ProofPath + "-write-files", Text: "assay-" + hex.EncodeToString(file[:])},
		Network:         o.Network,
	}
	if o.RootLogin {
		seed.RootAuthorizedKeys = []string{user.line}
	}
	if err := seed.Validate(); err != nil {
		return nil, nil, err
	}
	return seed, &Secrets{
		User: o.User, Signer: user.signer, UserKey: user.private, AuthorizedKey: user.line,
		HostKey: host.signer.PublicKey(), HostKeyLine: host.line,
	}, nil
}

type key struct {
	signer  ssh.Signer
	private Secret
	line    string
}

// newKey makes an ed25519 key from rand alone. Its PEM form also holds check
// bytes, which the SSH library takes from crypto/rand: the key is a function of
// rand, the PEM text is not.
func newKey(rand io.Reader, comment string) (*key, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("cannot make an SSH key: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed[:])
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("cannot make an SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, fmt.Errorf("cannot write an SSH key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " " + comment
	return &key{signer: signer, private: Secret(pem.EncodeToMemory(block)), line: line}, nil
}
