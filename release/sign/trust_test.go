package sign

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/artifact"
	"assay/release"
	"assay/release/sign/signtest"
)

// samples is the folder of real CHECKSUM files and keys.
func samples(t *testing.T) string {
	dir := os.Getenv("ASSAY_SAMPLES")
	if dir == "" {
		dir = "../../../shared/samples"
	}
	dir = filepath.Join(dir, "fedora-checksum")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no samples: %v (8 CHECKSUM files are read where they are)", err)
	}
	return dir
}

// verifierOf is a trust at work until the test ends.
func verifierOf(t *testing.T, trust Trust) *verifier {
	t.Helper()
	trust.Temp = t.TempDir()
	v, done, err := trust.at()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return v
}

func TestFedorasOwnFilesAreVerifiedAndRead(t *testing.T) {
	t.Parallel()
	dir := samples(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*CHECKSUM"))
	keys, _ := filepath.Glob(filepath.Join(dir, "keys", "*"))
	if len(files) < 8 || len(keys) < 8 {
		t.Fatalf("%d files, %d keys", len(files), len(keys))
	}
	v := verifierOf(t, Trust{OpenPGP: keys})
	for _, f := range files {
		doc, _ := os.ReadFile(f)
		text, err := v.clearsigned(t.Context(), doc)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
			continue
		}
		sums, err := ParseChecksums(text)
		if err != nil || len(sums) != strings.Count(string(text), "SHA256 (") {
			t.Errorf("%s: %v, %d files", filepath.Base(f), err, len(sums))
		}
		// What we write of it is what it says, where it gives sizes.
		if sums[0].Size > 0 && !strings.Contains(f, "Vagrant") {
			if got := string(FormatChecksums(sums)); strings.TrimSpace(got) != strings.TrimSpace(string(text)) {
				t.Errorf("%s: written\n%s\nread\n%s", filepath.Base(f), got, text)
			}
		}
		changed := strings.Replace(string(doc), "SHA256 (F", "SHA256 (G", 1)
		if _, err := v.clearsigned(t.Context(), []byte(changed)); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s, changed: %v", filepath.Base(f), err)
		}
		for _, added := range []string{"SHA256 (evil) = 00\n" + string(doc), string(doc) + "SHA256 (evil) = 00\n", string(doc) + string(doc)} {
			if _, err := v.clearsigned(t.Context(), []byte(added)); !errors.Is(err, ErrUntrusted) {
				t.Errorf("%s, with text around: %v", filepath.Base(f), err)
			}
		}
	}
}

func TestChecksumLinesThatAreNotUnderstoodAreRefused(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("ab", 32)
	for _, text := range []string{
		"", "# only: 5 bytes\n", "SHA512 (a) = " + hex + "\n", "SHA256 (../a) = " + hex + "\n", "SHA256 (a) = " + hex[1:] + "\n",
		hex + "  a\n", "SHA256 (a) = " + hex + "\nSHA256 (a) = " + hex + "\n",
	} {
		if sums, err := ParseChecksums([]byte(text)); err == nil {
			t.Errorf("%q is read: %v", text, sums)
		}
	}
}

func FuzzParseChecksums(f *testing.F) {
	f.Add([]byte("# a: 5 bytes\nSHA256 (a) = " + strings.Repeat("ab", 32) + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := ParseChecksums(text)
		if err != nil {
			return
		}
		for _, s := range sums {
			if _, err := artifact.ParseDigest(string(s.Digest)); err != nil || strings.ContainsAny(s.Name, "/\n") {
				t.Errorf("read %+v", s)
			}
		}
	})
}

func TestReleasesWithWrongSignaturesAreStopped(t *testing.T) {
	t.Parallel()
	k, other := signtest.OpenPGP(t, 0), signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	s := newSigner(t, "k", Config{File: k.Secret, Public: k.Public}, Options{})
	files := do(t, s, b.Sign("k"))
	foreign := do(t, newSigner(t, "k", Config{File: other.Secret, Public: other.Public}, Options{}), b.Sign("k"))
	later := do(t, s, signtest.NewBuild(t, t.TempDir(), "20261122_01").Sign("k"))
	trust := Trust{Temp: t.TempDir(), OpenPGP: []string{k.Public}, Require: []What{Checksums, Images, Commits, Attestation}}
	const sums, bundle = "test-43-20261121_01-x86_64-CHECKSUM", "test-43-20261121_01.k.intoto.jsonl"
	image := b.Artifacts[0].Name
	sum := b.Commits[0].Checksum

	for name, c := range map[string]struct {
		want   string
		change func(files map[string]string, artifacts []release.Artifact)
	}{
		"as it should be":      {"", func(map[string]string, []release.Artifact) {}},
		"no checksums":         {"checksums of it are required", func(f map[string]string, _ []release.Artifact) { delete(f, sums) }},
		"no image signature":   {"images of it are required", func(f map[string]string, _ []release.Artifact) { delete(f, image+".asc") }},
		"no attestation":       {"attestation of it are required", func(f map[string]string, _ []release.Artifact) { delete(f, bundle) }},
		"no commit signature":  {"no OpenPGP signature", func(f map[string]string, _ []release.Artifact) { delete(f, sum+".commitmeta") }},
		"checksums by another": {"not trusted", func(f map[string]string, _ []release.Artifact) { f[sums] = foreign[sums] }},
		"image by another":     {"not trusted", func(f map[string]string, _ []release.Artifact) { f[image+".asc"] = foreign[image+".asc"] }},
		"commit by another":    {"not trusted", func(f map[string]string, _ []release.Artifact) { f[sum+".commitmeta"] = foreign[sum+".commitmeta"] }},
		"attested by another":  {"not trusted", func(f map[string]string, _ []release.Artifact) { f[bundle] = foreign[bundle] }},
		"checksums of another": {"no image of this release", func(f map[string]string, _ []release.Artifact) {
			f[sums] = later["test-43-20261122_01-x86_64-CHECKSUM"]
		}},
		"signature of another": {"other bytes", func(f map[string]string, _ []release.Artifact) {
			f[image+".asc"] = later["Test-20261122_01.x86_64.qcow2.asc"]
		}},
		"signature of no image":   {"no image of this release", func(f map[string]string, _ []release.Artifact) { f["other.qcow2.asc"] = f[image+".asc"] }},
		"a file nobody knows":     {"no sort of signature", func(f map[string]string, _ []release.Artifact) { f["run.sh"] = "rm -r /" }},
		"other digest was tested": {"was tested", func(_ map[string]string, a []release.Artifact) { a[0].Digest = a[1].Digest }},
		"cut off":                 {"clear-signed", func(f map[string]string, _ []release.Artifact) { f[sums] = f[sums][:200] }},
	} {
		dir := t.TempDir()
		changed := map[string]string{}
		for n, content := range files {
			changed[n] = content
		}
		artifacts := append([]release.Artifact(nil), b.Artifacts...)
		c.change(changed, artifacts)
		for n, content := range changed {
			signtest.Write(t, filepath.Join(dir, n), []byte(content), 0o644)
		}
		for _, a := range b.Artifacts {
			if err := os.Symlink(filepath.Join(b.Dir, a.Name), filepath.Join(dir, a.Name)); err != nil {
				t.Fatal(err)
			}
		}
		st := set(b, dir, changed)
		st.Artifacts, st.Whole = artifacts, true
		raw, _ := os.ReadFile(filepath.Join(b.Commits[0].Repo, "objects", sum[:2], sum[2:]+".commit"))
		st.Commits = []SignedCommit{{sum, raw, []byte(changed[sum+".commitmeta"])}}
		err := trust.Verify(t.Context(), st)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: want %q, got %v", name, c.want, err)
		}
	}
}

// TestOSTreeIsAskedToo gives a commit whose signature is good to nobody but a
// client that does not look.
func TestOSTreeIsAskedToo(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	files := do(t, newSigner(t, "k", Config{File: k.Secret, Public: k.Public, Sign: []What{Commits}}, Options{}), b.Sign("k"))
	sum := b.Commits[0].Checksum
	v := verifierOf(t, Trust{OpenPGP: []string{k.Public}})
	served := filepath.Join(t.TempDir(), "served")
	dir := t.TempDir()
	if err := v.ostreeClient(t.Context(), dir, served); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(filepath.Join(b.Commits[0].Repo, "objects", sum[:2], sum[2:]+".commit"))
	if err := v.commit(t.Context(), SignedCommit{sum, raw, []byte(files[sum+".commitmeta"])}); err != nil {
		t.Error(err)
	}
	raw[len(raw)-1] ^= 1
	if err := v.commit(t.Context(), SignedCommit{sum, raw, []byte(files[sum+".commitmeta"])}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("of another commit: %v", err)
	}
}

// TestOSTreeTakesEd25519 needs an ostree that was built with libsodium, which
// Debian's is not; ASSAY_OSTREE names the folder of one that is.
func TestOSTreeTakesEd25519(t *testing.T) {
	if dir := os.Getenv("ASSAY_OSTREE"); dir != "" {
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	}
	if !ostreeKnowsEd25519(t.Context()) {
		t.Skip("this ostree knows no ed25519; ASSAY_OSTREE names the folder of one that does")
	}
	k, other := signtest.Ed25519(t), signtest.Ed25519(t)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	files := do(t, newSigner(t, "k", Config{Kind: Ed25519, File: k.Secret, Public: k.Public}, Options{}), b.Sign("k"))
	sum, repo := b.Commits[0].Checksum, b.Commits[0].Repo
	object := filepath.Join(repo, "objects", sum[:2], sum[2:])
	signtest.Write(t, object+".commitmeta", []byte(files[sum+".commitmeta"]), 0o644)
	raw, _ := os.ReadFile(object + ".commit")
	for key, good := range map[string]bool{k.Public: true, other.Public: false} {
		public, _ := os.ReadFile(key)
		out, err := exec.Command("ostree", "sign", "--repo="+repo, "--verify", sum, strings.TrimSpace(string(public))).CombinedOutput()
		if (err == nil) != good {
			t.Errorf("ostree sign --verify: %v, want good=%t\n%s", err, good, out)
		}
		// As a client that pulls, without our own look at the bytes.
		v := verifierOf(t, Trust{Ed25519: []string{key}})
		dir := t.TempDir()
		if err := v.ostreeClient(t.Context(), dir, filepath.Join(dir, "served")); err != nil {
			t.Fatal(err)
		}
		client := filepath.Join(dir, "client")
		signtest.OSTree(t, "config", "--repo="+client, "set", `remote "check".url`, "file://"+repo)
		out, err = exec.Command("ostree", "pull", "--repo="+client, "--commit-metadata-only", "check", sum).CombinedOutput()
		if (err == nil) != good {
			t.Errorf("ostree pull: %v, want good=%t\n%s", err, good, out)
		}
		err = v.commit(t.Context(), SignedCommit{sum, raw, []byte(files[sum+".commitmeta"])})
		if (err == nil) != good {
			t.Errorf("verified: %v, want good=%t", err, good)
		}
	}
}
