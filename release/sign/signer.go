package sign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/artifact"
	"assay/release"
	"assay/release/sign/commit"
	"assay/release/sign/scratch"
	"assay/release/sign/source"
)

// Signer signs releases with one key. It is a release.Signer.
type Signer struct {
	name      string
	config    Config
	key       key
	trust     Trust // its own public key alone
	spool     string
	promotion Promotion
}

var _ release.Signer = (*Signer)(nil)

// Options are what signers share.
type Options struct {
	// Spool is a folder for signatures until they are published. All signers of
	// a stream share one, so that they sign the same promoted commit.
	Spool     string
	Promotion Promotion
	// Bus is needed for keys with a service on the bus.
	Bus Bus
}

// New makes the signer that the policy calls name. It reads the key once, so
// that what is wrong with it is known before a release waits for it.
func New(name string, c Config, o Options) (*Signer, error) {
	fail := func(err error) (*Signer, error) { return nil, fmt.Errorf("cannot use key %s: %w", name, err) }
	if err := c.check(); err != nil {
		return fail(err)
	}
	if !filepath.IsAbs(o.Spool) {
		return fail(fmt.Errorf("spool %q: want an absolute path", o.Spool))
	}
	k, err := open(c, o.Bus)
	if err != nil {
		return fail(err)
	}
	s := &Signer{name: name, config: c, key: k, spool: o.Spool, promotion: o.Promotion}
	if c.Kind == Ed25519 {
		s.trust.Ed25519 = []string{c.Public}
	} else {
		s.trust.OpenPGP = []string{c.Public}
	}
	s.trust.Temp = s.tmp()
	if err := errors.Join(s.trust.Check(), scratch.Sweep(s.tmp())); err != nil {
		return fail(err)
	}
	return s, nil
}

// Do makes what is missing of the signatures that e.Sign wants, verifies all of
// them from outside, and returns them. A second call finds them made.
func (s *Signer) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	if e.Sign == nil {
		return release.Receipt{}, fmt.Errorf("cannot sign %s: the effect has nothing to sign", e.Key)
	}
	r, err := s.do(ctx, e.Stream, e.Sign)
	if err != nil {
		return r, fmt.Errorf("cannot sign %s %s with key %s: %w", e.Stream, e.Sign.Build, s.name, err)
	}
	return r, nil
}

func (s *Signer) do(ctx context.Context, stream release.Stream, w *release.SignWork) (release.Receipt, error) {
	if err := errors.Join(stream.Validate(), w.Build.Validate()); err != nil {
		return release.Receipt{}, err // they become folders
	}
	dir := filepath.Join(s.spool, string(stream), string(w.Build), s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return release.Receipt{}, err
	}
	j := &job{Signer: s, dir: dir, stream: stream, work: w}
	steps := map[What]func(context.Context) error{Checksums: j.checksums, Images: j.images, Commits: j.commits, Attestation: j.attestation}
	for _, what := range []What{Checksums, Images, Commits, Attestation} {
		if slices.Contains(s.config.Sign, what) {
			if err := steps[what](ctx); err != nil {
				return release.Receipt{}, err
			}
		}
	}
	trust := s.trust
	trust.Require = s.config.Sign
	set := Set{Artifacts: w.Artifacts, Dir: dir, Signed: j.names(), Commits: j.signed,
		Open: func(name string) (io.ReadCloser, error) { return j.image(ctx, name) }}
	if err := trust.Verify(ctx, set); err != nil {
		return release.Receipt{}, err
	}
	return release.Receipt{Files: j.files}, nil
}

// job is one Do.
type job struct {
	*Signer
	dir    string
	stream release.Stream
	work   *release.SignWork
	files  []release.File
	signed []SignedCommit
}

func (j *job) names() (out []string) {
	for _, f := range j.files {
		out = append(out, f.Name)
	}
	return out
}

// ensure writes a file unless it is there and good.
func (j *job) ensure(ctx context.Context, name string, good func(*verifier, []byte) error, make func() ([]byte, error)) error {
	v, done, err := j.trust.at()
	if err != nil {
		return err
	}
	defer done()
	path := filepath.Join(j.dir, name)
	b, err := os.ReadFile(path) //nolint:gosec // our spool
	if err != nil || good(v, b) != nil {
		if b, err = make(); err != nil {
			return fmt.Errorf("cannot make %s: %w", name, err)
		}
		if err := good(v, b); err != nil {
			return fmt.Errorf("cannot use %s, just signed: %w", name, err)
		}
		if err := j.write(path, b); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(b)
	j.files = append(j.files, release.File{Name: name, Digest: artifact.DigestOf(sum), Location: path})
	return ctx.Err()
}

func (j *job) payload(name string, r io.Reader) payload {
	return payload{name: name, read: r, stream: string(j.stream), build: string(j.work.Build)}
}

// checksums makes one CHECKSUM file for each architecture.
func (j *job) checksums(ctx context.Context) error {
	byArch := map[artifact.Arch][]Sum{}
	for _, a := range j.work.Artifacts {
		byArch[a.ID.Arch()] = append(byArch[a.ID.Arch()], Sum{a.Name, a.Digest, a.Size})
	}
	for _, arch := range slices.Sorted(maps.Keys(byArch)) {
		name := strings.NewReplacer("{stream}", string(j.stream), "{build}", string(j.work.Build), "{arch}", string(arch)).Replace(j.config.ChecksumFile)
		want := FormatChecksums(byArch[arch])
		good := func(v *verifier, b []byte) error {
			text, err := v.clearsigned(ctx, b)
			if err == nil && string(bytes.TrimSpace(text)) != string(bytes.TrimSpace(want)) {
				err = fmt.Errorf("%w: it lists other files", ErrUntrusted)
			}
			return err
		}
		if err := j.ensure(ctx, name, good, func() ([]byte, error) {
			return j.key.sign(ctx, clearsigned, j.payload(name, bytes.NewReader(want)))
		}); err != nil {
			return err
		}
	}
	return nil
}

// image opens an image of the release; reading it to its end checks its digest.
func (j *job) image(ctx context.Context, name string) (io.ReadCloser, error) {
	for _, a := range j.work.Artifacts {
		if a.Name == name {
			r, err := source.Open(ctx, a.Location)
			if err != nil {
				return nil, fmt.Errorf("cannot read image %s: %w", name, err)
			}
			return &checkedReader{ReadCloser: r, image: a, sum: sha256.New()}, nil
		}
	}
	return nil, fmt.Errorf("%s is no image of this build", name)
}

// checkedReader fails at the end of what is not the image that was tested.
type checkedReader struct {
	io.ReadCloser
	image release.Artifact
	sum   hash.Hash
	n     int64
}

func (r *checkedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.sum.Write(p[:n])
	r.n += int64(n)
	if errors.Is(err, io.EOF) || r.n > r.image.Size {
		if d := artifact.DigestOf([32]byte(r.sum.Sum(nil))); d != r.image.Digest || r.n != r.image.Size {
			return n, fmt.Errorf("image %s is not the one that was tested: %s has %d bytes, %s, want %d bytes, %s: %w",
				r.image.Name, r.image.Location, r.n, d, r.image.Size, r.image.Digest, release.ErrPermanent)
		}
	}
	return n, err
}

// drain reads what is left, so that the digest is known.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (j *job) images(ctx context.Context) error {
	f := map[string]form{"asc": armored, "sig": binary}[j.config.Detached]
	for _, a := range j.work.Artifacts {
		good := func(v *verifier, b []byte) error {
			r, err := j.image(ctx, a.Name)
			if err != nil {
				return err
			}
			defer r.Close()
			return errors.Join(v.detached(ctx, b, r), drain(r))
		}
		if err := j.ensure(ctx, a.Name+"."+j.config.Detached, good, func() ([]byte, error) {
			r, err := j.image(ctx, a.Name)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			p := j.payload(a.Name, r)
			p.location, p.digest, p.arch = a.Location, a.Digest, a.ID.Arch()
			b, err := j.key.sign(ctx, f, p)
			return b, errors.Join(err, drain(r))
		}); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) commits(ctx context.Context) error {
	for _, c := range j.work.Commits {
		out, err := j.released(ctx, j.stream, j.work.Build, c)
		if err != nil {
			return err
		}
		if out.Checksum != c.Checksum {
			if err := j.ensure(ctx, out.Checksum+".commit", func(_ *verifier, b []byte) error {
				if !bytes.Equal(b, out.Raw) {
					return errors.New("it is another commit")
				}
				return nil
			}, func() ([]byte, error) { return out.Raw, nil }); err != nil {
				return err
			}
		}
		old := out.Detach
		if err := j.ensure(ctx, out.Checksum+".commitmeta", func(v *verifier, b []byte) error {
			out.Detach = b
			return v.ostreeSignatures(ctx, out.Raw, b)
		}, func() ([]byte, error) {
			return j.addSignature(ctx, j.payload(out.Checksum, nil), out.Raw, old)
		}); err != nil {
			return err
		}
		j.signed = append(j.signed, out)
	}
	return nil
}

// attestation makes a bundle of one envelope for each image that was tested.
func (j *job) attestation(ctx context.Context) error {
	var want [][]byte
	for _, a := range j.work.Artifacts {
		i := slices.IndexFunc(j.work.Answers, func(t release.TestAnswered) bool { return t.Artifact == a.ID && t.Digest == a.Digest })
		if i < 0 {
			return fmt.Errorf("there is no test result of image %s with %s: %w", a.Name, a.Digest, release.ErrPermanent)
		}
		s, err := testStatement(a, string(j.stream)+" "+string(j.work.Build), j.work.Answers[i])
		if err != nil {
			return err
		}
		want = append(want, s)
	}
	name := fmt.Sprintf("%s-%s.%s.intoto.jsonl", j.stream, j.work.Build, j.name)
	good := func(v *verifier, b []byte) error {
		n := 0
		for line := range bytes.Lines(b) {
			var e envelope
			if _, err := v.envelope(ctx, bytes.TrimSpace(line)); err != nil {
				return err
			}
			if err := json.Unmarshal(line, &e); err != nil || n >= len(want) || !bytes.Equal(e.Payload, want[n]) {
				return fmt.Errorf("%w: it attests something else", ErrUntrusted)
			}
			n++
		}
		if n != len(want) {
			return fmt.Errorf("%w: it attests %d tests of %d", ErrUntrusted, n, len(want))
		}
		return nil
	}
	return j.ensure(ctx, name, good, func() ([]byte, error) {
		var bundle []byte
		for _, s := range want {
			line, err := j.envelope(ctx, name, s)
			if err != nil {
				return nil, err
			}
			bundle = append(append(bundle, line...), '\n')
		}
		return bundle, nil
	})
}

func (j *job) envelope(ctx context.Context, name string, statement []byte) ([]byte, error) {
	e := envelope{PayloadType: payloadType, Payload: statement}
	sig, err := j.key.sign(ctx, j.rawForm(), j.payload(name, bytes.NewReader(e.encoding())))
	if err != nil {
		return nil, err
	}
	e.Signatures = []envelopeSignature{{KeyID: j.name, Sig: sig}}
	return json.Marshal(e)
}

// rawForm is a signature without armor.
func (s *Signer) rawForm() form {
	if s.config.Kind == Ed25519 {
		return raw
	}
	return binary
}

// SignOSTree signs what a publisher has to make at the last moment: the summary
// of a repository, or the commit of a fallback. The signatures are returned in
// the form of summary.sig and of .commitmeta, together with those in old, if any.
func (s *Signer) SignOSTree(ctx context.Context, what string, message, old []byte) ([]byte, error) {
	b, err := s.addSignature(ctx, payload{name: what}, message, old)
	if err == nil {
		err = s.trust.VerifyOSTree(ctx, what, message, b)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot sign %s with key %s: %w", what, s.name, err)
	}
	return b, nil
}

// addSignature signs what ostree signs and adds the signature to old ones.
func (s *Signer) addSignature(ctx context.Context, p payload, message, old []byte) ([]byte, error) {
	d, err := commit.ParseDetached(old)
	if err != nil {
		return nil, err
	}
	p.read = bytes.NewReader(message)
	sig, err := s.key.sign(ctx, s.rawForm(), p)
	if err != nil {
		return nil, err
	}
	key := commit.KeyOpenPGP
	if s.config.Kind == Ed25519 {
		key = commit.KeyEd25519
	}
	d.Add(key, sig)
	return d.Bytes(), nil
}
