package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/sign"
	"assay/release/sign/signtest"
)

// testTarget is a target under test. Whatever its kind, its files can be seen in
// root.
type testTarget struct {
	root   string
	config Config
	socket string
}

// bench is a target with a publisher and a signer.
type bench struct {
	testTarget
	spool, signSpool string
	key              sign.Config
	signer           *sign.Signer
	publisher        *Publisher
	builds           string
	// made are the builds by their id.
	made map[release.BuildID]*signtest.Build
}

func newBench(t testing.TB, target testTarget) *bench {
	t.Helper()
	k := signtest.OpenPGP(t, 0)
	b := &bench{testTarget: target, spool: t.TempDir(), signSpool: t.TempDir(), builds: t.TempDir(),
		key: sign.Config{File: k.Secret, Public: k.Public}, made: map[release.BuildID]*signtest.Build{}}
	b.config.Trust = sign.Trust{OpenPGP: []string{k.Public}, Require: []sign.What{sign.Checksums, sign.Images, sign.Commits, sign.Attestation}}
	b.config.StaticDeltas = true
	server := httptest.NewServer(http.FileServer(http.Dir(b.root)))
	t.Cleanup(server.Close)
	b.config.URL = server.URL + "/"
	var err error
	if b.signer, err = sign.New("key", b.key, sign.Options{Spool: b.signSpool}); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	return b
}

func (b *bench) open(t testing.TB) {
	t.Helper()
	var err error
	b.publisher, err = New("target", b.config, Options{Spool: b.spool, Signers: []Signer{b.signer}, Documents: pages, Transport: overSocket(b.socket)})
	if err != nil {
		t.Fatal(err)
	}
}

func inDirectory(t testing.TB) testTarget {
	root := t.TempDir()
	return testTarget{root: root, config: Config{Directory: &Directory{Path: root}}}
}

// effects are the steps that publish a build, signed, for event seq.
func (b *bench) effects(t testing.TB, id release.BuildID, seq uint64) []release.Effect {
	t.Helper()
	if b.made[id] == nil {
		b.made[id] = signtest.NewBuild(t, filepath.Join(b.builds, string(id)), id)
	}
	m := b.made[id]
	receipt, err := b.signer.Do(t.Context(), m.Sign("key"))
	if err != nil {
		t.Fatal(err)
	}
	build := &release.Build{Stream: m.Stream, ID: id, Commits: m.Commits}
	out := release.Release{Stream: m.Stream, Seq: seq, At: time.Unix(1795255200, 0).UTC()}
	out.Build, out.Commits = id, m.Commits
	for _, a := range m.Artifacts {
		build.Artifacts = append(build.Artifacts, &release.BuildArtifact{Artifact: a, Known: true})
		out.Artifacts = append(out.Artifacts, release.Tested{Artifact: a.ID, Digest: a.Digest})
	}
	var effects []release.Effect
	for _, step := range release.PublishSteps {
		effects = append(effects, release.Effect{Key: release.EffectKey("publish/target/" + string(step)), Kind: release.EffectPublish, Stream: m.Stream, Target: "target",
			Attempt: 1, Publish: &release.PublishWork{Step: step, Release: out, Build: build, Signed: receipt.Files}})
	}
	return effects
}

// revoked turns effects into those of a fallback from a revoked release.
func revoked(effects []release.Effect, bad release.BuildID, at uint64) []release.Effect {
	r := &release.Release{Revoked: &release.Said{Seq: at, At: time.Unix(1797000000, 0), Word: release.Word{Reason: "does not boot"}}}
	r.Build = bad
	for _, e := range effects {
		e.Publish.Fallback, e.Publish.Revoked = true, r
	}
	return effects
}

func (b *bench) publish(t testing.TB, effects []release.Effect) {
	t.Helper()
	for _, e := range effects {
		r, err := b.publisher.Do(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL != b.config.URL+"streams/test-43/release.json" {
			t.Errorf("URL %s", r.URL)
		}
	}
}

// look reads the target as a reader does, from the pointer on, and checks that
// everything is there and of one release.
func (b *bench) look(t testing.TB) Pointer {
	t.Helper()
	p, err := b.see()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) see() (p Pointer, err error) {
	dir := filepath.Join(b.root, "streams/test-43")
	if r, err := filepath.EvalSymlinks(dir); err == nil {
		dir = r // a reader that has opened the folder stays with it
	}
	raw, err := os.ReadFile(filepath.Join(dir, "release.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, err
	}
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		return p, err
	}
	build := string(p.Build)
	if build == "" {
		build = "nothing"
	}
	if b.config.S3 == nil && string(page) != "<p>"+build {
		return p, errors.New("the page says " + string(page) + ", the pointer " + build)
	}
	for _, f := range p.Files {
		content, err := os.ReadFile(filepath.Join(b.root, p.Folder, f.Name))
		if err != nil {
			return p, err
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 {
			return p, errors.New(f.Name + " has other bytes than the pointer says")
		}
	}
	m := b.made[p.Build]
	for _, a := range images(m) {
		content, err := os.ReadFile(filepath.Join(b.root, p.Folder, a.Name))
		if sum := sha256.Sum256(content); err != nil || hex.EncodeToString(sum[:]) != a.Digest.Hex() {
			return p, errors.New(a.Name + " is not what was tested")
		}
	}
	return p, nil
}

// images are the images of a build, none of none.
func images(b *signtest.Build) []release.Artifact {
	if b == nil {
		return nil
	}
	return b.Artifacts
}

// follow pulls the ref over HTTP as a host does, with signatures wanted, and
// returns the commit it got. It may have others already, and takes none that is
// older.
func (b *bench) follow(t testing.TB, has ...string) string {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(b.root)))
	defer server.Close()
	client := filepath.Join(t.TempDir(), "client")
	signtest.OSTree(t, "init", "--repo="+client, "--mode=archive")
	signtest.OSTree(t, "remote", "add", "--repo="+client, "--set=gpg-verify=true", "--set=gpg-verify-summary=true", "--gpg-import="+b.key.Public, "r", server.URL+"/repo")
	for _, c := range has {
		signtest.OSTree(t, "pull", "--repo="+client, "r", "test/43/x86_64/host@"+c)
	}
	signtest.OSTree(t, "pull", "--repo="+client, "--timestamp-check", "r", "test/43/x86_64/host")
	signtest.OSTree(t, "fsck", "--repo="+client)
	return signtest.OSTree(t, "rev-parse", "--repo="+client, "r:test/43/x86_64/host")
}

// conform runs what every kind of target has to do.
func conform(t *testing.T, target testTarget) {
	b := newBench(t, target)
	first := b.effects(t, "20261121_01", 10)
	b.publish(t, first)
	if p := b.look(t); p.Build != "20261121_01" || len(p.Files) != 7 || p.Commits[0].Tested != p.Commits[0].Commit {
		t.Fatalf("pointer %+v", p)
	}
	if got := b.follow(t); got != b.made["20261121_01"].Commits[0].Checksum {
		t.Errorf("hosts get %s", got)
	}
	// A user checks what was downloaded.
	cmd := exec.Command("sha256sum", "-c", "test-43-20261121_01-x86_64-CHECKSUM")
	cmd.Dir = filepath.Join(b.root, "releases/test-43/20261121_01")
	if out, err := cmd.Output(); err != nil || strings.Count(string(out), ": OK") != 2 {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}

	second := b.effects(t, "20261205_01", 20)
	b.publish(t, second)
	b.publish(t, second) // again: nothing changes
	if p := b.look(t); p.Build != "20261205_01" {
		t.Fatalf("pointer %+v", p)
	}
	if got := b.follow(t); got != b.made["20261205_01"].Commits[0].Checksum {
		t.Errorf("hosts get %s", got)
	}
	if deltas, _ := filepath.Glob(filepath.Join(b.root, "repo/deltas/*/*/superblock")); len(deltas) != 1 {
		t.Errorf("%d static deltas", len(deltas))
	}
	if left, _ := filepath.Glob(filepath.Join(b.root, ".assay/staging/releases/test-43/*/*")); len(left) != 0 {
		t.Errorf("left in the staging place: %q", left)
	}

	refreshed(t, b)

	// A publisher that slept is not let in front of a later one.
	for _, e := range first[2:] {
		if _, err := b.publisher.Do(t.Context(), e); err == nil || !strings.Contains(err.Error(), "later release") {
			t.Errorf("%s of an older release: %v", e.Publish.Step, err)
		}
	}

	// The second is revoked; the first comes back, though its build and our
	// spools are gone.
	for _, gone := range []string{b.spool, b.signSpool, filepath.Join(b.builds, "20261121_01", "repo")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range b.made["20261121_01"].Artifacts {
		if err := os.Remove(a.Location); err != nil {
			t.Fatal(err)
		}
	}
	b.open(t)
	back := revoked(first, "20261205_01", 30)
	b.publish(t, back)
	b.publish(t, back)
	if p := b.look(t); p.Build != "20261121_01" || p.Revoked == nil || p.Revoked.Build != "20261205_01" || p.Revoked.Reason != "does not boot" {
		t.Fatalf("pointer %+v", p)
	}
	// Hosts that have the revoked commit get the old content as a newer commit.
	got, tested := b.follow(t, b.made["20261205_01"].Commits[0].Checksum), b.made["20261121_01"].Commits[0].Checksum
	c := b.look(t).Commits[0]
	if c.Commit != got || c.Tested != tested || got == tested {
		t.Errorf("hosts get %s, the pointer says %+v", got, c)
	}
	if diff := signtest.OSTree(t, "diff", "--repo="+filepath.Join(b.root, "repo"), tested, got); diff != "" {
		t.Errorf("the content differs:\n%s", diff)
	}

	// The next release is newer than that.
	b.publish(t, b.effects(t, "20261212_01", 35))
	if now := b.follow(t, b.made["20261205_01"].Commits[0].Checksum, got); now != b.made["20261212_01"].Commits[0].Checksum {
		t.Errorf("hosts get %s", now)
	}

	// What was published never changes.
	image := filepath.Join(b.root, "releases/test-43/20261205_01", b.made["20261205_01"].Artifacts[0].Name)
	content, _ := os.ReadFile(image)
	content[0] ^= 1
	if err := errors.Join(os.Remove(image), os.WriteFile(image, content, 0o644)); err != nil {
		t.Fatal(err)
	}
	second[0].Publish.Release.Seq = 40
	_, err := b.publisher.Do(t.Context(), second[0])
	if !errors.Is(err, errChanged) || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("a published image changed: %v", err)
	}
	// It can be retired; what is out cannot.
	retired(t, b)
}

// retired removes 20261205_01 from a target that has 20261212_01 out and
// 20261121_01 to go back to.
func retired(t *testing.T, b *bench) {
	t.Helper()
	old, out := b.made["20261121_01"].Commits[0].Checksum, b.made["20261212_01"].Commits[0].Checksum
	gone := b.made["20261205_01"].Commits[0].Checksum
	retire := func(builds ...release.BuildID) error {
		_, err := b.publisher.Do(t.Context(), release.Effect{Key: "publish/target/retire/50", Kind: release.EffectPublish, Stream: "test-43", Target: "target", Attempt: 1,
			Publish: &release.PublishWork{Step: release.StepRetire, Retire: builds, Keep: []string{old, out, gone[:63] + "0"}}})
		return err
	}
	if err := retire("20261205_01", "20261212_01"); !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "it is out") {
		t.Errorf("%v", err)
	}
	if builds, err := b.publisher.Builds(t.Context(), "test-43"); err != nil || len(builds) != 3 {
		t.Errorf("refused, and there are %v, %v", builds, err)
	}
	before, deltas := objects(t, b), len(glob(t, b.root, "repo/deltas/*/*/superblock"))
	for range 2 {
		if err := retire("20261205_01"); err != nil {
			t.Fatal(err)
		}
	}
	if builds, err := b.publisher.Builds(t.Context(), "test-43"); err != nil || !slices.Equal(builds, []release.BuildID{"20261121_01", "20261212_01"}) {
		t.Errorf("%v, builds %v", err, builds)
	}
	after := objects(t, b)
	if len(after) >= len(before) || slices.Contains(after, gone[:2]+"/"+gone[2:]+".commit") || slices.Contains(after, gone[:2]+"/"+gone[2:]+".commitmeta") {
		t.Errorf("%d objects of %d, with %s: %v", len(after), len(before), gone, after)
	}
	if left := len(glob(t, b.root, "repo/deltas/*/*/superblock")); left >= deltas {
		t.Errorf("%d static deltas of %d", left, deltas)
	}
	for _, c := range []string{old, out} {
		signtest.OSTree(t, "ls", "--recursive", "--repo="+filepath.Join(b.root, "repo"), c)
		if !slices.Contains(after, c[:2]+"/"+c[2:]+".commitmeta") {
			t.Errorf("commit %s has lost its signatures", c)
		}
	}
	b.look(t)
	if got := b.follow(t, old); got != out {
		t.Errorf("hosts get %s", got)
	}
	// A spool that was lost is filled from the target where that can be.
	if err := os.RemoveAll(b.spool); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	if err := retire("20261205_01"); err != nil {
		t.Errorf("the spool was lost: %v", err)
	}
	if now := objects(t, b); !slices.Equal(now, after) {
		t.Errorf("%d objects of %d", len(now), len(after))
	}
	b.follow(t)
	// What the spool has not whole cannot be told from what nobody needs.
	tree := glob(t, b.root, "repo/objects/*/*.dirtree")[0]
	if err := errors.Join(os.RemoveAll(b.spool), os.Rename(tree, tree+".away")); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	if err := retire("20261205_01"); err == nil || !strings.Contains(err.Error(), "cannot tell what") {
		t.Errorf("a part of it is lost: %v", err)
	}
	if err := os.Rename(tree+".away", tree); err != nil {
		t.Fatal(err)
	}
	if now := objects(t, b); !slices.Equal(now, after) {
		t.Errorf("%d objects of %d", len(now), len(after))
	}
}

func glob(t *testing.T, root, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// objects are the objects of the target's repository, sorted.
func objects(t *testing.T, b *bench) (out []string) {
	t.Helper()
	for _, f := range glob(t, b.root, "repo/objects/*/*") {
		rel, err := filepath.Rel(filepath.Join(b.root, "repo/objects"), f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rel)
	}
	return out
}

func TestDirectory(t *testing.T) { t.Parallel(); conform(t, inDirectory(t)) }
