package scenario

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"assay/release"
	"assay/release/publish"
	"assay/release/sign/commit"
)

// Reader is somebody who downloads: over HTTP, with gpgv and ostree, and with
// keys that were got another way.
type Reader struct {
	url, home, keyring string
	ed                 ed25519.PublicKey
	keys               [2]string // the files they are from

	mu sync.Mutex // guards the rest, and the client
	// good are signed files that gpgv found good, by their content.
	good map[[32]byte]bool
	// tree is the summary, its signature and the refs that were found good last.
	tree [32]byte
	// content is os-release of commits.
	content map[string]string
}

// newReader makes the keyring and an empty ostree client in home, of files with
// public keys.
func newReader(home, url, pgp, ed string) (*Reader, error) {
	r := &Reader{url: url, home: home, keyring: filepath.Join(home, "keys.gpg"), good: map[[32]byte]bool{}, content: map[string]string{}, keys: [2]string{pgp, ed}}
	armored, err := os.ReadFile(pgp)
	if err != nil {
		return nil, err
	}
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil {
		return nil, err
	}
	key, err := io.ReadAll(block.Body)
	if err == nil {
		err = os.WriteFile(r.keyring, key, 0o600)
	}
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(ed)
	if err != nil {
		return nil, err
	}
	if r.ed, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(line))); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"init", "--mode=archive"},
		{"remote", "add", "--set=gpg-verify=true", "--set=gpg-verify-summary=true", "--gpg-import=" + r.keyring,
			"site", url + "/repo"},
	} {
		if _, err := r.ostree(context.Background(), args...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// another is one with the same keys, and nothing of what this one has read.
func (r *Reader) another(home string) (*Reader, error) {
	return newReader(home, r.url, r.keys[0], r.keys[1])
}

func (r *Reader) ostree(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "ostree", append(args, "--repo="+filepath.Join(r.home, "client"))...)
	c.Env = append(os.Environ(), "LC_ALL=C", "TMPDIR="+r.home)
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ostree %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// maxRead bounds one file.
const maxRead = 16 << 20

// get reads one file; one that is not there is fs.ErrNotExist.
func (r *Reader) get(ctx context.Context, path string) ([]byte, error) {
	url := path
	if !strings.HasPrefix(path, "http") {
		url = r.url + "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxRead))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", url, fs.ErrNotExist)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return b, nil
}

// Release reads what is out, from the pointer on, and checks every file: bytes
// against the pointer, images against the CHECKSUM file, and that against the key.
// The Build is empty when nothing is out.
func (r *Reader) Release(ctx context.Context, s release.Stream) (p publish.Pointer, err error) {
	b, err := r.get(ctx, "streams/"+string(s)+"/release.json")
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Build == "" {
		return p, err
	}
	sums, images, listed := map[string]string{}, map[string]string{}, map[string]bool{}
	for _, f := range p.Files {
		content, err := r.get(ctx, p.Folder+"/"+f.Name)
		if err != nil {
			return p, fmt.Errorf("the pointer names a file that cannot be had: %w", err)
		}
		sum := sha256.Sum256(content)
		if hex.EncodeToString(sum[:]) != f.SHA256 || int64(len(content)) != f.Size {
			return p, fmt.Errorf("%s/%s has other bytes than the pointer says", p.Folder, f.Name)
		}
		switch {
		case strings.HasSuffix(f.Name, "CHECKSUM"):
			if err := r.signed(ctx, content); err != nil {
				return p, fmt.Errorf("%s: %w", f.Name, err)
			}
			for line := range strings.Lines(string(content)) {
				if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "SHA256 ("); ok {
					name, sum, _ := strings.Cut(rest, ") = ")
					sums[name] = sum
				}
			}
		case strings.HasSuffix(f.Name, ".qcow2"):
			images[f.Name] = f.SHA256
		}
		listed[f.Name] = true
	}
	for name, sum := range images {
		if sums[name] != sum || !listed[name+".asc"] {
			return p, fmt.Errorf("%s is %s, the CHECKSUM file says %q", name, sum, sums[name])
		}
	}
	if len(images) != len(wanted(s)) || len(sums) != len(images) || len(p.Commits) != len(wanted(s)) {
		return p, fmt.Errorf("the release has %d images, %d checksums and %d commits, want %d", len(images), len(sums), len(p.Commits), len(wanted(s)))
	}
	return p, nil
}

// signed asks gpgv about a clear-signed text.
func (r *Reader) signed(ctx context.Context, text []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sum := sha256.Sum256(text); r.good[sum] {
		return nil
	}
	c := exec.CommandContext(ctx, "gpgv", "--keyring", r.keyring, "--output", "/dev/null")
	c.Stdin = bytes.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("gpgv: %w: %s", err, out)
	}
	r.good[sha256.Sum256(text)] = true
	return nil
}

// Refs are what releases are committed under.
var Refs = []string{"atomic-43/x86_64/host", "atomic-43/aarch64/host", "atomic-stable/x86_64/host"}

// Tree pulls every ref there is, as hosts do: ostree verifies the signatures of
// the summary and of new commits, and all their objects. Not every ostree knows
// ed25519, so that is verified here. It returns the commits by their refs.
func (r *Reader) Tree(ctx context.Context) (map[string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := sha256.New()
	for _, name := range []string{"summary", "summary.sig"} {
		b, err := r.get(ctx, "repo/"+name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		fmt.Fprintf(h, "%x\n", sha256.Sum256(b))
	}
	pull, out := []string{"pull", "site"}, map[string]string{}
	for _, ref := range Refs {
		b, err := r.get(ctx, "repo/refs/heads/"+ref)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		pull, out[ref] = append(pull, ref), strings.TrimSpace(string(b))
		fmt.Fprintf(h, "%s %s\n", ref, b)
	}
	if len(out) == 0 || r.tree == [32]byte(h.Sum(nil)) {
		return out, nil
	}
	if _, err := r.ostree(ctx, pull...); err != nil {
		return out, err
	}
	for ref, want := range out {
		got, err := r.ostree(ctx, "rev-parse", "site:"+ref)
		if err != nil || got != want {
			return out, fmt.Errorf("the summary has %s at %s, the ref is at %s: %w", ref, got, want, errors.Join(err))
		}
		if err := r.edSigned(ctx, got); err != nil {
			return out, fmt.Errorf("%s at %s: %w", ref, got, err)
		}
	}
	r.tree = [32]byte(h.Sum(nil))
	return out, nil
}

// edSigned verifies the ed25519 signature of a commit.
func (r *Reader) edSigned(ctx context.Context, checksum string) error {
	object := "repo/objects/" + checksum[:2] + "/" + checksum[2:]
	raw, err := r.get(ctx, object+".commit")
	if err != nil {
		return err
	}
	meta, err := r.get(ctx, object+".commitmeta")
	if err != nil {
		return err
	}
	d, err := commit.ParseDetached(meta)
	if err != nil {
		return err
	}
	for _, s := range d.Signatures(commit.KeyEd25519) {
		if ed25519.Verify(r.ed, raw, s) {
			return nil
		}
	}
	return errors.New("it has no good ed25519 signature")
}

// Content is os-release of a commit that Tree has pulled.
func (r *Reader) Content(ctx context.Context, commit string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text, ok := r.content[commit]; ok {
		return text, nil
	}
	text, err := r.ostree(ctx, "cat", commit, "/usr/lib/os-release")
	if err == nil {
		r.content[commit] = text
	}
	return text, err
}
