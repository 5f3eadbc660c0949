// Package signtest makes keys and releases for tests.
package signtest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"assay/artifact"
	"assay/release"
	"assay/reports"
)

// Key is a key pair in two files.
type Key struct{ Secret, Public, Fingerprint string }

// OpenPGP makes an OpenPGP key. A lifetime that is negative makes one that has
// expired; 0 is for ever.
func OpenPGP(t testing.TB, lifetime time.Duration) Key { return openPGP(t, lifetime, nil) }

// Locked makes an OpenPGP key with a passphrase.
func Locked(t testing.TB, passphrase string) Key { return openPGP(t, 0, []byte(passphrase)) }

func openPGP(t testing.TB, lifetime time.Duration, passphrase []byte) Key {
	t.Helper()
	born := time.Now().Add(-time.Hour)
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return born }}
	if lifetime != 0 {
		config.KeyLifetimeSecs = uint32((time.Hour + lifetime).Seconds())
	}
	e, err := openpgp.NewEntity("Assay Test", "", "test@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	var public, secret bytes.Buffer
	w, _ := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err := e.Serialize(w); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if passphrase != nil {
		if err := e.EncryptPrivateKeys(passphrase, config); err != nil {
			t.Fatal(err)
		}
	}
	w, _ = armor.Encode(&secret, openpgp.PrivateKeyType, nil)
	serialize := e.SerializePrivate
	if passphrase != nil {
		serialize = e.SerializePrivateWithoutSigning
	}
	if err := serialize(w, config); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	k := files(t, secret.Bytes(), public.Bytes())
	k.Fingerprint = strings.ToUpper(hexOf(e.PrimaryKey.Fingerprint))
	return k
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, x := range b {
		s.WriteByte(digits[x>>4])
		s.WriteByte(digits[x&15])
	}
	return s.String()
}

// Ed25519 makes a key in ostree's form.
func Ed25519(t testing.TB) Key {
	t.Helper()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return files(t, []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), []byte(base64.StdEncoding.EncodeToString(public)+"\n"))
}

func files(t testing.TB, secret, public []byte) Key {
	t.Helper()
	dir := t.TempDir()
	k := Key{Secret: filepath.Join(dir, "secret"), Public: filepath.Join(dir, "public")}
	Write(t, k.Secret, secret, 0o600)
	Write(t, k.Public, public, 0o644)
	return k
}

// Write writes a file and the folders above it.
func Write(t testing.TB, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, mode); err != nil {
		t.Fatal(err)
	}
}

// Build is a tested build in a folder: two images and an ostree commit.
type Build struct {
	Stream    release.Stream
	ID        release.BuildID
	Dir       string
	Artifacts []release.Artifact
	Commits   []release.Commit
	Answers   []release.TestAnswered
}

// NewBuild makes a build in dir whose bytes follow from its id alone.
func NewBuild(t testing.TB, dir string, id release.BuildID) *Build {
	t.Helper()
	b := &Build{Stream: "test-43", ID: id, Dir: dir}
	for _, kind := range []string{"qcow2", "raw.xz"} {
		name := "Test-" + string(id) + ".x86_64." + kind
		content := bytes.Repeat([]byte(name+"\n"), 10000)
		Write(t, filepath.Join(dir, name), content, 0o644)
		a := release.Artifact{ID: release.NewArtifactID(kind, artifact.X8664), Name: name, Location: filepath.Join(dir, name),
			Digest: artifact.DigestOf(sha256.Sum256(content)), Size: int64(len(content))}
		b.Artifacts = append(b.Artifacts, a)
		b.Answers = append(b.Answers, release.TestAnswered{Build: id, Artifact: a.ID, Attempt: 1, Digest: a.Digest, Verdict: reports.Accepted,
			Run: "run-" + kind, Finished: time.Unix(1795255200, 0).UTC(), Passed: release.CheckList{"base/running", "upgrade/tool"},
			Cases: []release.Case{{Check: "base/clean-journal", Outcome: reports.Failed, Fault: "image"}}})
	}
	if _, err := exec.LookPath("ostree"); err != nil {
		t.Skip("ostree is not installed: apt-get install ostree")
	}
	repo, tree, ref := filepath.Join(dir, "repo"), filepath.Join(dir, "tree"), "test/43/x86_64/host"
	Write(t, filepath.Join(tree, "usr/lib/os-release"), []byte("VERSION="+string(id)+"\n"), 0o644)
	Write(t, filepath.Join(tree, "usr/bin/same"), bytes.Repeat([]byte("the same in each build\n"), 1000), 0o755)
	OSTree(t, "init", "--repo="+repo, "--mode=archive")
	sum := OSTree(t, "commit", "--repo="+repo, "-b", ref, "--tree=dir="+tree, "--timestamp="+id.Date()+" 10:00:00 +0000", "--add-metadata-string=version=43."+string(id))
	b.Commits = []release.Commit{{Arch: artifact.X8664, Ref: ref, Checksum: sum, Repo: repo, Version: "43." + string(id)}}
	for i := range b.Answers {
		b.Answers[i].OSTreeCommit = sum
	}
	return b
}

// OSTree runs ostree and returns what it said.
func OSTree(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("ostree", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ostree %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Sign is the effect of signing b with a key.
func (b *Build) Sign(key string) release.Effect {
	return release.Effect{Key: release.EffectKey("sign/" + key + "/7"), Kind: release.EffectSign, Stream: b.Stream, Target: key, Attempt: 1,
		Sign: &release.SignWork{Build: b.ID, Key: key, Artifacts: b.Artifacts, Commits: b.Commits, Answers: b.Answers}}
}
