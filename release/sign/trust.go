package sign

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bytes"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"assay/artifact"
	"assay/release"
	"assay/release/sign/commit"
	"assay/release/sign/program"
	"assay/release/sign/scratch"
)

// ErrUntrusted wraps everything that is wrong with a signature: it is missing,
// bad, expired, by a key that is not trusted, or of other bytes.
var ErrUntrusted = errors.New("not signed as it has to be")

// Trust says whose signatures count and which there have to be.
type Trust struct {
	// OpenPGP and Ed25519 are files with public keys.
	OpenPGP []string `yaml:"openpgp"`
	Ed25519 []string `yaml:"ed25519"`
	// Require lists the signatures that a release must have. Those that are
	// there have to be good all the same. A commit needs a signature by a key of
	// each kind that is trusted.
	Require []What `yaml:"require"`
	// Temp is a folder that lasts, where programs get folders for a moment (see
	// scratch); who verifies needs it.
	Temp string `yaml:"-"`
}

// Set is what a release consists of, for verification.
type Set struct {
	// Artifacts are the images.
	Artifacts []release.Artifact
	// Dir has all files that Signed names. When it has the images, too (Whole),
	// sha256sum reads them there.
	Dir   string
	Whole bool
	// Open opens an image by its name.
	Open func(name string) (io.ReadCloser, error)
	// Signed are names of what signers made.
	Signed []string
	// Commits are to be verified.
	Commits []SignedCommit
}

// SignedCommit is a commit object and its detached metadata.
type SignedCommit struct {
	Checksum    string
	Raw, Detach []byte
}

// verifier is Trust at work: keys loaded, a folder for what programs read.
type verifier struct {
	keys
	dir     string
	keyring string // for gpgv; empty without OpenPGP keys
	trust   Trust
}

// keys are public keys, loaded.
type keys struct {
	openpgp []byte // as gpgv takes them
	ed25519 []ed25519.PublicKey
}

func (t Trust) load() (k keys, err error) {
	if len(t.OpenPGP)+len(t.Ed25519) == 0 {
		return k, errors.New("no key is trusted: list public keys")
	}
	for _, file := range t.Ed25519 {
		p, err := readEd25519Public(file)
		if err != nil {
			return k, err
		}
		k.ed25519 = append(k.ed25519, p)
	}
	for _, file := range t.OpenPGP {
		b, err := dearmored(file)
		if err != nil {
			return k, err
		}
		k.openpgp = append(k.openpgp, b...)
	}
	return k, nil
}

// at loads the keys. The caller calls done.
func (t Trust) at() (v *verifier, done func(), err error) {
	v = &verifier{trust: t}
	if v.keys, err = t.load(); err != nil {
		return nil, nil, err
	}
	if v.dir, done, err = scratch.Dir(t.Temp); err != nil {
		return nil, nil, err
	}
	if len(v.openpgp) > 0 {
		v.keyring = filepath.Join(v.dir, "keys.gpg")
		if err := os.WriteFile(v.keyring, v.openpgp, 0o600); err != nil {
			done()
			return nil, nil, err
		}
	}
	return v, done, nil
}

// run runs a program whose own moments stay in the verifier's folder.
func (v *verifier) run(ctx context.Context, c program.Command) ([]byte, error) {
	c.Env = append(c.Env, "TMPDIR="+v.dir)
	return program.Run(ctx, c)
}

// dearmored reads public keys as gpgv takes them.
func dearmored(file string) ([]byte, error) {
	b, err := os.ReadFile(file) //nolint:gosec // named by the configuration
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(b, []byte("-----BEGIN PGP")) {
		return b, nil
	}
	block, err := armor.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("cannot read OpenPGP key %s: %w", file, err)
	}
	if block.Type != "PGP PUBLIC KEY BLOCK" {
		return nil, fmt.Errorf("cannot use %s: it is a %s, want a PGP PUBLIC KEY BLOCK", file, block.Type)
	}
	out, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, fmt.Errorf("cannot read OpenPGP key %s: %w", file, err)
	}
	return out, nil
}

// Check reads the keys, so that a typo is found when a service starts.
func (t Trust) Check() error {
	for _, w := range t.Require {
		if !slices.Contains([]What{Checksums, Images, Commits, Attestation}, w) {
			return fmt.Errorf("require: %q is none of checksums, images, commits, attestation", w)
		}
	}
	_, err := t.load()
	return err
}

// gpgv runs gpgv over a signature and reads what it says to programs: its exit
// code alone calls signatures by expired keys good.
func (v *verifier) gpgv(ctx context.Context, stdin io.Reader, args ...string) error {
	if v.keyring == "" {
		return fmt.Errorf("%w: it is an OpenPGP signature, and no OpenPGP key is trusted", ErrUntrusted)
	}
	out, err := v.run(ctx, program.Command{Args: append([]string{"gpgv", "--status-fd", "1", "--keyring", v.keyring}, args...), Stdin: stdin})
	var failed *program.Error
	if err != nil && (!errors.As(err, &failed) || failed.ExitCode() < 0) {
		return err // gpgv is not there, or did not come to an end
	}
	good, valid := false, false
	for line := range strings.Lines(string(out)) {
		word, ok := strings.CutPrefix(line, "[GNUPG:] ")
		if !ok {
			continue
		}
		f := strings.Fields(word)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "GOODSIG":
			good = true
		case "VALIDSIG":
			valid = true
		case "EXPSIG", "EXPKEYSIG":
			return fmt.Errorf("%w: the signature or its key is expired (%s); sign again with a key that is valid", ErrUntrusted, f[0])
		case "REVKEYSIG":
			return fmt.Errorf("%w: its key is revoked", ErrUntrusted)
		case "BADSIG":
			return fmt.Errorf("%w: the signature is of other bytes", ErrUntrusted)
		case "NO_PUBKEY":
			return fmt.Errorf("%w: it is by key %s, which is not trusted", ErrUntrusted, f[len(f)-1])
		}
	}
	if err != nil || !good || !valid {
		return fmt.Errorf("%w: gpgv finds no good signature: %w", ErrUntrusted, errors.Join(err, ctx.Err()))
	}
	return nil
}

const (
	clearBegin = "-----BEGIN PGP SIGNED MESSAGE-----\n"
	clearEnd   = "-----END PGP SIGNATURE-----\n"
)

// clearsigned verifies clear-signed text and returns what was signed. Text
// outside of the signature, which sha256sum would read, is refused.
func (v *verifier) clearsigned(ctx context.Context, doc []byte) ([]byte, error) {
	s := strings.ReplaceAll(string(doc), "\r\n", "\n")
	if !strings.HasPrefix(s, clearBegin) || !strings.HasSuffix(strings.TrimRight(s, "\n")+"\n", clearEnd) || strings.Count(s, clearEnd) != 1 {
		return nil, fmt.Errorf("%w: want one clear-signed text and nothing around it", ErrUntrusted)
	}
	in, out := filepath.Join(v.dir, "signed"), filepath.Join(v.dir, "text")
	if err := os.WriteFile(in, doc, 0o600); err != nil {
		return nil, err
	}
	_ = os.Remove(out)
	if err := v.gpgv(ctx, nil, "--output", out, in); err != nil {
		return nil, err
	}
	return os.ReadFile(out) //nolint:gosec // gpgv wrote it for us
}

// detached verifies an OpenPGP signature, armored or binary, of what r has.
func (v *verifier) detached(ctx context.Context, signature []byte, r io.Reader) error {
	file := filepath.Join(v.dir, "signature")
	if err := os.WriteFile(file, signature, 0o600); err != nil {
		return err
	}
	return v.gpgv(ctx, r, file, "-")
}

// raw verifies an ed25519 signature.
func (v *verifier) raw(message, signature []byte) error {
	for _, k := range v.ed25519 {
		if len(signature) == ed25519.SignatureSize && ed25519.Verify(k, message, signature) {
			return nil
		}
	}
	return fmt.Errorf("%w: no trusted ed25519 key made the signature", ErrUntrusted)
}

// ostreeSignatures verifies signatures as ostree keeps them: one of each kind of
// trusted key is enough, and without one it is an error.
func (v *verifier) ostreeSignatures(ctx context.Context, message, detached []byte) error {
	d, err := commit.ParseDetached(detached)
	if err != nil {
		return err
	}
	if v.keyring != "" {
		if err := anyGood(d.Signatures(commit.KeyOpenPGP), "OpenPGP", func(s []byte) error { return v.detached(ctx, s, bytes.NewReader(message)) }); err != nil {
			return err
		}
	}
	if len(v.ed25519) > 0 {
		return anyGood(d.Signatures(commit.KeyEd25519), "ed25519", func(s []byte) error { return v.raw(message, s) })
	}
	return nil
}

func anyGood(signatures [][]byte, kind string, check func([]byte) error) error {
	err := fmt.Errorf("%w: it has no %s signature", ErrUntrusted, kind)
	for _, s := range signatures {
		if err = check(s); err == nil {
			return nil
		}
	}
	return err
}

// commit verifies a commit twice: by its bytes, and as a client of the
// repository would, with ostree.
func (v *verifier) commit(ctx context.Context, c SignedCommit) error {
	if got := commit.Checksum(c.Raw); got != c.Checksum {
		return fmt.Errorf("%w: its bytes are those of commit %s", ErrUntrusted, got)
	}
	if err := v.ostreeSignatures(ctx, c.Raw, c.Detach); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(v.dir, "pull-")
	if err != nil {
		return err
	}
	served := filepath.Join(dir, "served")
	if err := v.ostreeClient(ctx, dir, served); err != nil {
		return err
	}
	object := filepath.Join(served, "objects", c.Checksum[:2], c.Checksum[2:])
	if err := errors.Join(os.MkdirAll(filepath.Dir(object), 0o755),
		os.WriteFile(object+".commit", c.Raw, 0o600), os.WriteFile(object+".commitmeta", c.Detach, 0o600)); err != nil {
		return err
	}
	_, err = v.run(ctx, program.Command{Args: []string{"ostree", "pull", "--repo=" + filepath.Join(dir, "client"), "--commit-metadata-only", "check", c.Checksum}})
	return untrusted(err)
}

// untrusted marks the failure of a program that judged, not one that could not.
func untrusted(err error) error {
	var failed *program.Error
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return err
}

// ostreeClient makes an empty repository "served" and a client of it in dir,
// which wants signatures of the trusted keys.
func (v *verifier) ostreeClient(ctx context.Context, dir, served string) error {
	client := filepath.Join(dir, "client")
	remote := []string{"ostree", "remote", "add", "--repo=" + client, "check", "file://" + served}
	if v.keyring != "" {
		remote = append(remote, "--set=gpg-verify=true", "--gpg-import="+v.keyring)
	} else {
		remote = append(remote, "--set=gpg-verify=false")
	}
	if len(v.ed25519) > 0 && ostreeKnowsEd25519(ctx) {
		var keys []string
		for _, k := range v.ed25519 {
			keys = append(keys, base64.StdEncoding.EncodeToString(k))
		}
		file := filepath.Join(dir, "keys.ed25519")
		if err := os.WriteFile(file, []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
			return err
		}
		remote = append(remote, "--set=sign-verify=true", "--set=verification-ed25519-file="+file)
	}
	for _, args := range [][]string{{"ostree", "init", "--repo=" + served, "--mode=archive"}, {"ostree", "init", "--repo=" + client, "--mode=archive"}, remote} {
		if _, err := v.run(ctx, program.Command{Args: args}); err != nil {
			return err
		}
	}
	return nil
}

// ostreeKnowsEd25519 reports whether this ostree was built with it; Debian 12's
// was not, and the check by the bytes alone has to do there.
func ostreeKnowsEd25519(ctx context.Context) bool {
	out, err := program.Run(ctx, program.Command{Args: []string{"ostree", "--version"}})
	return err == nil && strings.Contains(string(out), "sign-ed25519")
}

// VerifyOSTree verifies the signatures of a repository's summary, or of a commit:
// there has to be one by a key of each kind that is trusted.
func (t Trust) VerifyOSTree(ctx context.Context, what string, message, signatures []byte) error {
	v, done, err := t.at()
	if err != nil {
		return fmt.Errorf("cannot verify %s: %w", what, err)
	}
	defer done()
	if err := v.ostreeSignatures(ctx, message, signatures); err != nil {
		return fmt.Errorf("cannot trust %s: %w", what, err)
	}
	return nil
}

// Verify checks that every signature of a release is good, that those which are
// required are there, and that they are of these images and commits. What is
// wrong wraps ErrUntrusted; other errors mean that it could not be found out.
func (t Trust) Verify(ctx context.Context, s Set) error {
	v, done, err := t.at()
	if err != nil {
		return fmt.Errorf("cannot verify signatures: %w", err)
	}
	defer done()
	seen := map[What]map[string]bool{Checksums: {}, Images: {}, Attestation: {}}
	for _, name := range s.Signed {
		if err := v.file(ctx, s, name, seen); err != nil {
			return fmt.Errorf("cannot trust %s: %w", name, err)
		}
	}
	for _, w := range t.Require {
		for _, a := range s.Artifacts {
			if w != Commits && !seen[w][a.Name] {
				return fmt.Errorf("cannot trust image %s: %w: %s of it are required and missing", a.Name, ErrUntrusted, w)
			}
		}
	}
	for _, c := range s.Commits {
		if len(c.Detach) == 0 && !slices.Contains(t.Require, Commits) {
			continue
		}
		if err := v.commit(ctx, c); err != nil {
			return fmt.Errorf("cannot trust ostree commit %s: %w", c.Checksum, err)
		}
	}
	return nil
}

// file verifies one file that a signer made, by its name.
func (v *verifier) file(ctx context.Context, s Set, name string, seen map[What]map[string]bool) error {
	path := filepath.Join(s.Dir, filepath.Base(name))
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > commit.MaxSize {
		return fmt.Errorf("it has %d bytes, more than %d", info.Size(), commit.MaxSize)
	}
	b, err := os.ReadFile(path) //nolint:gosec // within Dir
	if err != nil {
		return err
	}
	switch ext := filepath.Ext(name); {
	case strings.HasSuffix(name, "CHECKSUM"):
		text, err := v.clearsigned(ctx, b)
		if err != nil {
			return err
		}
		return v.checksums(ctx, s, name, text, seen[Checksums])
	case ext == ".asc" || ext == ".sig":
		image := strings.TrimSuffix(name, ext)
		if !slices.ContainsFunc(s.Artifacts, func(a release.Artifact) bool { return a.Name == image }) {
			return fmt.Errorf("%w: %s is no image of this release", ErrUntrusted, image)
		}
		r, err := s.Open(image)
		if err != nil {
			return err
		}
		defer r.Close()
		seen[Images][image] = true
		return v.detached(ctx, b, r)
	case ext == ".jsonl":
		return v.attestations(ctx, s, b, seen[Attestation])
	case ext == ".commit" || ext == ".commitmeta":
		return nil // verified with their commits
	}
	return fmt.Errorf("%w: no sort of signature has this name", ErrUntrusted)
}

// checksums compares a CHECKSUM file with the images of a release. Each file it
// lists has to be one.
func (v *verifier) checksums(ctx context.Context, s Set, name string, text []byte, seen map[string]bool) error {
	sums, err := ParseChecksums(text)
	if err != nil {
		return err
	}
	for _, sum := range sums {
		if err := isOf(s.Artifacts, sum.Name, sum.Digest, sum.Size); err != nil {
			return err
		}
		seen[sum.Name] = true
	}
	if !s.Whole {
		return nil
	}
	out, err := v.run(ctx, program.Command{Args: []string{"sha256sum", "--check", name}, Dir: s.Dir})
	if err != nil {
		return untrusted(err)
	}
	for _, sum := range sums {
		if !strings.Contains("\n"+string(out), "\n"+sum.Name+": OK\n") {
			return fmt.Errorf("%w: sha256sum does not find %s in order", ErrUntrusted, sum.Name)
		}
	}
	return nil
}

// isOf checks that a release has an image of this name and digest; a negative
// size is not compared.
func isOf(images []release.Artifact, name string, digest artifact.Digest, size int64) error {
	i := slices.IndexFunc(images, func(a release.Artifact) bool { return a.Name == name })
	switch {
	case i < 0:
		return fmt.Errorf("%w: %.100q is no image of this release", ErrUntrusted, name)
	case images[i].Digest != digest:
		return fmt.Errorf("%w: it says %s of %s, and %s was tested", ErrUntrusted, digest, name, images[i].Digest)
	case size >= 0 && images[i].Size != size:
		return fmt.Errorf("%w: it says that %s has %d bytes, and it has %d", ErrUntrusted, name, size, images[i].Size)
	}
	return nil
}

// attestations verifies a bundle: one DSSE envelope a line.
func (v *verifier) attestations(ctx context.Context, s Set, bundle []byte, seen map[string]bool) error {
	for line := range bytes.Lines(bundle) {
		a, err := v.envelope(ctx, bytes.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := isOf(s.Artifacts, a.Name, a.Digest, -1); err != nil {
			return err
		}
		seen[a.Name] = true
	}
	return nil
}

// envelope verifies a DSSE envelope, of which one signature has to be good.
func (v *verifier) envelope(ctx context.Context, line []byte) (Attested, error) {
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return Attested{}, fmt.Errorf("it holds no DSSE envelope: %w", err)
	}
	if e.PayloadType != payloadType {
		return Attested{}, fmt.Errorf("%w: its payload is %.80q, want %s", ErrUntrusted, e.PayloadType, payloadType)
	}
	err := fmt.Errorf("%w: it has no signature", ErrUntrusted)
	for _, s := range e.Signatures {
		if len(s.Sig) == ed25519.SignatureSize {
			err = v.raw(e.encoding(), s.Sig)
		} else {
			err = v.detached(ctx, s.Sig, bytes.NewReader(e.encoding()))
		}
		if err == nil {
			return readStatement(e.Payload)
		}
	}
	return Attested{}, err
}
