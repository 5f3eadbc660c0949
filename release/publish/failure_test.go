package publish

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"assay/artifact"
	"assay/release"
	"assay/release/sign"
	"assay/release/sign/signtest"
)

// stopped checks that a step fails for a reason and that readers keep what they
// have.
func (b *bench) stopped(t *testing.T, e release.Effect, want string, is error) {
	t.Helper()
	before := b.look(t)
	_, err := b.publisher.Do(t.Context(), e)
	if err == nil || !strings.Contains(err.Error(), want) || is != nil && !errors.Is(err, is) {
		t.Errorf("%s: want %q (%v), got %v", e.Publish.Step, want, is, err)
	}
	if after := b.look(t); after.Build != before.Build {
		t.Errorf("readers are given %s", after.Build)
	}
	if err != nil && strings.Contains(err.Error(), "BEGIN PGP") {
		t.Errorf("the error has a key or a signature in it: %v", err)
	}
}

func TestReleasesThatAreNotWhatWasTestedAreStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	image := func(id release.BuildID) string { return b.made[id].Artifacts[0].Location }

	e := b.effects(t, "20261102_01", 2)
	content, _ := os.ReadFile(image("20261102_01"))
	content[5] ^= 1
	signtest.Write(t, image("20261102_01"), content, 0o644)
	b.stopped(t, e[0], "has another digest", errDigest)

	e = b.effects(t, "20261103_01", 3)
	if err := os.Remove(image("20261103_01")); err != nil {
		t.Fatal(err)
	}
	b.stopped(t, e[0], "cannot get Test-20261103_01", os.ErrNotExist)

	// A decision about other bytes than those of the build.
	e = b.effects(t, "20261104_01", 4)
	e[0].Publish.Release.Artifacts[0].Digest = artifact.Digest("sha256:" + strings.Repeat("0", 64))
	b.stopped(t, e[0], "digest that was tested", release.ErrPermanent)

	// A signature that is missing, though nothing was said to be required, and one
	// that changed on its way.
	b.config.Trust.Require = nil
	b.open(t)
	e = b.effects(t, "20261105_01", 5)
	all := e[0].Publish.Signed
	for i, f := range all {
		if strings.HasSuffix(f.Name, "CHECKSUM") {
			e[0].Publish.Signed = append(append([]release.File(nil), all[:i]...), all[i+1:]...)
		}
	}
	b.stopped(t, e[0], "checksums of it are required", sign.ErrUntrusted)
	e[0].Publish.Signed = all
	signtest.Write(t, all[0].Location, []byte("something else"), 0o644)
	b.stopped(t, e[0], all[0].Name, errDigest)

	// A commit whose signature was lost.
	e = b.effects(t, "20261106_01", 6)
	for i, f := range e[0].Publish.Signed {
		if strings.HasSuffix(f.Name, ".commitmeta") {
			e[0].Publish.Signed = append(append([]release.File(nil), e[0].Publish.Signed[:i]...), e[0].Publish.Signed[i+1:]...)
			break
		}
	}
	b.stopped(t, e[0], "no OpenPGP signature", sign.ErrUntrusted)

	// A key that is not trusted here.
	other := signtest.OpenPGP(t, 0)
	b.config.Trust.OpenPGP = []string{other.Public}
	b.open(t)
	b.stopped(t, b.effects(t, "20261107_01", 7)[0], "not trusted", sign.ErrUntrusted)

	if p, _ := os.ReadDir(filepath.Join(b.root, "releases")); len(p) != 0 {
		t.Errorf("published: %v", p)
	}
}

func TestStepsOutOfOrderAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	e := b.effects(t, "20261102_01", 2)
	b.stopped(t, e[2], "objects are to be published first", errMissing)
	b.stopped(t, e[4], "files.json", os.ErrNotExist)
	e[0].Publish.Step = "everything"
	b.stopped(t, e[0], "none of", release.ErrPermanent)
}

func TestOneOfTwoPublishersIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	e := b.effects(t, "20261102_01", 2)
	unlock, err := b.publisher.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.stopped(t, e[0], "wait for it or stop it", errBusy)
	// One with another spool finds the target's own lock.
	other, err := New("other", b.config, Options{Spool: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Do(t.Context(), e[0]); !errors.Is(err, errBusy) {
		t.Errorf("%v", err)
	}
	unlock()
	b.publish(t, e)
}

func TestFirstReleaseRevokedLeavesNothingOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261102_01", 2))
	bad := revoked([]release.Effect{{Stream: "test-43", Key: "publish/target/3/pointer", Publish: &release.PublishWork{Step: release.StepPointer}}}, "20261102_01", 3)
	for range 2 {
		b.publish(t, bad)
		if p := b.look(t); p.Build != "" || p.Revoked == nil || p.Revoked.Build != "20261102_01" || len(p.Files) != 0 {
			t.Errorf("%+v", p)
		}
	}
	// The files stay for who looks for them by name.
	if _, err := os.Stat(filepath.Join(b.root, "releases/test-43/20261102_01/files.json")); err != nil {
		t.Error(err)
	}
}

func TestStreamsShareARepository(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261102_01", 2))
	// Another stream, whose ref differs, by a publisher with a new spool.
	other := signtest.NewBuild(t, t.TempDir(), "20261103_01")
	other.Stream = "other-1"
	repo := other.Commits[0].Repo
	sum := signtest.OSTree(t, "commit", "--repo="+repo, "-b", "other/host", "--tree=dir="+filepath.Join(other.Dir, "tree"))
	other.Commits[0].Ref, other.Commits[0].Checksum = "other/host", sum
	b.made["20261103_01"] = other
	e := b.effects(t, "20261103_01", 3)
	if err := os.RemoveAll(b.spool); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	for _, x := range e {
		if _, err := b.publisher.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	refs := signtest.OSTree(t, "summary", "--view", "--repo="+filepath.Join(b.root, "repo"))
	for _, want := range []string{"other/host", "test/43/x86_64/host"} {
		if !strings.Contains(refs, want) {
			t.Errorf("%s is not in the summary:\n%s", want, refs)
		}
	}
	if got := b.follow(t); got != b.made["20261102_01"].Commits[0].Checksum {
		t.Errorf("hosts of the first stream get %s", got)
	}
}

func TestPromotedCommitIsPublishedInItsPlace(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	var err error
	if b.signer, err = sign.New("key", b.key, sign.Options{Spool: b.signSpool, Promotion: sign.Promotion{Ref: "stable/{arch}", Repo: filepath.Join(b.root, "repo")}}); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	parent := ""
	for i, id := range []release.BuildID{"20261102_01", "20261116_01"} {
		b.publish(t, b.effects(t, id, uint64(2+i)))
		c := b.look(t).Commits[0]
		if c.Ref != "stable/x86_64" || c.Tested != b.made[id].Commits[0].Checksum || c.Commit == c.Tested {
			t.Errorf("%+v", c)
		}
		repo := filepath.Join(b.root, "repo")
		show := signtest.OSTree(t, "show", "--repo="+repo, c.Commit)
		if parent != "" && !strings.Contains(show, "Parent:  "+parent) {
			t.Errorf("parent is not %s:\n%s", parent, show)
		}
		if of := signtest.OSTree(t, "show", "--repo="+repo, "--print-metadata-key=promotion-of", c.Commit); !strings.Contains(of, c.Tested) {
			t.Errorf("origin %s", of)
		}
		signtest.OSTree(t, "fsck", "--repo="+repo)
		// Hosts get the content that was tested.
		out := filepath.Join(t.TempDir(), "out")
		signtest.OSTree(t, "checkout", "-U", "--repo="+repo, "stable/x86_64", out)
		if got, _ := os.ReadFile(filepath.Join(out, "usr/lib/os-release")); string(got) != "VERSION="+string(id)+"\n" {
			t.Errorf("content %q", got)
		}
		parent = c.Commit
	}
}

func TestDocumentationIsPublishedAsItWasWhenStaged(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	docs := t.TempDir()
	b.config.Documentation = docs
	signtest.Write(t, filepath.Join(docs, "guide/start.html"), []byte("first"), 0o644)
	signtest.Write(t, filepath.Join(docs, ".hidden"), []byte("x"), 0o644)
	if err := os.Symlink("/etc/passwd", filepath.Join(docs, "link.html")); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	e := b.effects(t, "20261102_01", 2)
	b.publish(t, e[:1])
	signtest.Write(t, filepath.Join(docs, "guide/start.html"), []byte("second"), 0o644)
	b.publish(t, e)
	dir := filepath.Join(b.root, "releases/test-43/20261102_01/docs")
	got, err := os.ReadFile(filepath.Join(dir, "guide/start.html"))
	if err != nil || string(got) != "first" {
		t.Errorf("%v, %q", err, got)
	}
	for _, not := range []string{".hidden", "link.html"} {
		if _, err := os.Lstat(filepath.Join(dir, not)); err == nil {
			t.Errorf("%s was published", not)
		}
	}
}

func TestFrontPageFollowsThePointer(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.publisher.opt.Front = func(_ context.Context, _ release.Effect, p Pointer) (Documents, error) {
		return Documents{"index.html": []byte(p.Build)}, nil
	}
	for i, id := range []release.BuildID{"20261102_01", "20261116_01"} {
		b.publish(t, b.effects(t, id, uint64(2+i)))
		if got, err := os.ReadFile(filepath.Join(b.root, "index.html")); err != nil || string(got) != string(id) {
			t.Errorf("%v, %q", err, got)
		}
	}
}

func TestPathsThatLeaveTheTargetAreRefused(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".", "a\nb", "a\x00b"} {
		if checkPath(p) == nil {
			t.Errorf("%q is taken", p)
		}
	}
	b := newBench(t, inDirectory(t))
	e := b.effects(t, "20261102_01", 2)
	b.publish(t, e[:4])
	for _, name := range []string{"../../index.html", "/index.html", "release.json"} {
		b.publisher.opt.Documents = func(context.Context, release.Effect, Pointer) (Documents, error) {
			return Documents{name: []byte("x")}, nil
		}
		if _, err := b.publisher.Do(t.Context(), e[4]); err == nil {
			t.Errorf("a page called %q is published", name)
		}
	}
	b.publisher.opt.Documents = pages
	for _, name := range []string{"repo/refs/heads/x", "../index.html", ".assay/state/test-43.json"} {
		b.publisher.opt.Front = func(context.Context, release.Effect, Pointer) (Documents, error) {
			return Documents{name: []byte("x")}, nil
		}
		if _, err := b.publisher.Do(t.Context(), e[4]); err == nil {
			t.Errorf("a page called %q is published at the root", name)
		}
	}
	b.publisher.opt.Front = nil
	signed := e[0].Publish.Signed
	for _, name := range []string{"../evil.asc", "docs", "files.json"} {
		e[0].Publish.Signed = append(append([]release.File(nil), signed...), release.File{Name: name, Digest: signed[0].Digest, Location: signed[0].Location})
		b.stopped(t, e[0], "cannot be the name", release.ErrPermanent)
	}
	e[0].Publish.Signed = signed
	e[0].Stream = "../x"
	b.stopped(t, e[0], "cannot publish", nil)
}

func TestDirectoryThatIsNotThereIsNotMade(t *testing.T) {
	t.Parallel()
	target := inDirectory(t)
	target.config.Directory.Path = filepath.Join(target.root, "not-mounted")
	b := newBench(t, target)
	b.stopped(t, b.effects(t, "20261102_01", 2)[0], "make it, or mount it", nil)
}

func TestSomethingElseInTheWayIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	signtest.Write(t, filepath.Join(b.root, "repo/refs/heads/mine"), []byte("x"), 0o644)
	e := b.effects(t, "20261102_01", 2)
	b.publish(t, e[:2])
	b.stopped(t, e[2], "", nil)
	if got, _ := os.ReadFile(filepath.Join(b.root, "repo/refs/heads/mine")); string(got) != "x" {
		t.Errorf("%q", got)
	}
}

func TestStepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	e := b.effects(t, "20261102_01", 2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.publisher.Do(ctx, e[0]); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "raise the limit") {
		t.Errorf("%v", err)
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	trust := sign.Trust{OpenPGP: []string{k.Public}}
	open := filepath.Join(t.TempDir(), "credentials")
	signtest.Write(t, open, []byte("[default]\n"), 0o644)
	for want, c := range map[string]Config{
		"not 0":                  {Trust: trust},
		"not 2":                  {Trust: trust, Directory: &Directory{"/x"}, S3: &S3{}},
		"want an absolute path":  {Trust: trust, Directory: &Directory{"x"}},
		"no key is trusted":      {Directory: &Directory{"/x"}},
		"is none of checksums":   {Directory: &Directory{"/x"}, Trust: sign.Trust{OpenPGP: trust.OpenPGP, Require: []sign.What{"check-sums"}}},
		"want [USER@]HOST":       {Trust: trust, Rsync: &Rsync{Host: "h:x", Path: "/x"}},
		"no space, quote":        {Trust: trust, Rsync: &Rsync{Host: "-oProxyCommand=x", Path: "/x"}},
		"want endpoint, bucket":  {Trust: trust, S3: &S3{Endpoint: "x"}},
		"chmod 600":              {Trust: trust, S3: &S3{Endpoint: "x", Bucket: "bucket", CredentialsFile: open}},
		"credentials_file: stat": {Trust: trust, S3: &S3{Endpoint: "x", Bucket: "bucket", CredentialsFile: "/no/such"}},
	} {
		if _, err := New("t", c, Options{Spool: t.TempDir()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestHostsTakeNoOlderCommit is why a fallback makes a new commit.
func TestHostsTakeNoOlderCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.config.SameCommitOnFallback = true
	b.open(t)
	first := b.effects(t, "20261102_01", 2)
	b.publish(t, first)
	b.publish(t, b.effects(t, "20261116_01", 3))
	b.publish(t, revoked(first, "20261116_01", 4))
	good := b.made["20261102_01"].Commits[0].Checksum
	if got := b.follow(t); got != good {
		t.Errorf("a new host gets %s", got)
	}
	client := filepath.Join(t.TempDir(), "client")
	signtest.OSTree(t, "init", "--repo="+client, "--mode=archive")
	signtest.OSTree(t, "remote", "add", "--repo="+client, "--no-gpg-verify", "r", "file://"+filepath.Join(b.root, "repo"))
	const ref = "test/43/x86_64/host"
	signtest.OSTree(t, "pull", "--repo="+client, "r", ref+"@"+b.made["20261116_01"].Commits[0].Checksum)
	out, err := exec.Command("ostree", "pull", "--repo="+client, "--timestamp-check", "r", ref).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "older") {
		t.Errorf("a host with the revoked commit: %v\n%s", err, out)
	}
}

func TestConfigurationIsReadFromYAML(t *testing.T) {
	t.Parallel()
	const text = `
- directory: {path: /srv/releases}
  url: https://example.org/
  trust: {openpgp: [/etc/assay/key.asc], ed25519: [/etc/assay/key.pub], require: [checksums, images, commits, attestation]}
  static_deltas: true
  documentation: /srv/docs
  link_sources: true
  same_commit_on_fallback: true
- rsync: {host: mirror@example.org, port: 2222, path: /srv/releases, identity_file: /etc/assay/ssh, known_hosts: /etc/assay/known_hosts}
- s3: {endpoint: s3.example.org, bucket: releases, prefix: fedora, region: eu-1, credentials_file: /etc/assay/s3, profile: assay, plain_http: true}
`
	var c []Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if len(c) != 3 || !c[0].LinkSources || c[0].Trust.Require[3] != sign.Attestation || c[1].Rsync.Port != 2222 || !c[2].S3.Plain {
		t.Errorf("%+v", c)
	}
}

func TestBuildIsFetchedByURL(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	const id = "20261102_01"
	m := signtest.NewBuild(t, filepath.Join(b.builds, id), id)
	server := httptest.NewServer(http.FileServer(http.Dir(m.Dir)))
	defer server.Close()
	for i := range m.Artifacts {
		m.Artifacts[i].Location = server.URL + "/" + m.Artifacts[i].Name
	}
	m.Commits[0].Repo = server.URL + "/repo"
	b.made[id] = m
	b.publish(t, b.effects(t, id, 2))
	if p := b.look(t); p.Build != id {
		t.Errorf("%+v", p)
	}
	if got := b.follow(t); got != m.Commits[0].Checksum {
		t.Errorf("hosts get %s", got)
	}
	if config, _ := os.ReadFile(filepath.Join(b.root, "repo/config")); strings.Contains(string(config), server.URL) {
		t.Errorf("readers are told where builds are:\n%s", config)
	}
	// A server that sends more than it should, or another file.
	e := b.effects(t, id, 2)
	if err := os.RemoveAll(b.spool); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(b.root, "releases")); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	signtest.Write(t, filepath.Join(m.Dir, m.Artifacts[0].Name), make([]byte, m.Artifacts[0].Size+1000), 0o644)
	if _, err := b.publisher.Do(t.Context(), e[0]); !errors.Is(err, errDigest) {
		t.Errorf("%v", err)
	}
}
