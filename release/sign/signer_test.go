package sign

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/sign/commit"
	"assay/release/sign/signtest"
)

func newSigner(t testing.TB, name string, c Config, o Options) *Signer {
	t.Helper()
	if o.Spool == "" {
		o.Spool = t.TempDir()
	}
	s, err := New(name, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do(t testing.TB, s *Signer, e release.Effect) map[string]string {
	t.Helper()
	r, err := s.Do(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range r.Files {
		b, err := os.ReadFile(f.Location)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(b)
	}
	return out
}

// set is what a publisher would hand to Trust.
func set(b *signtest.Build, dir string, files map[string]string) Set {
	s := Set{Artifacts: b.Artifacts, Dir: dir, Open: func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(b.Dir, name)) }}
	for name := range files {
		s.Signed = append(s.Signed, name)
	}
	return s
}

func TestOpenPGPKeySignsAllOfARelease(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	s := newSigner(t, "primary", Config{File: k.Secret, Public: k.Public}, Options{})
	files := do(t, s, b.Sign("primary"))
	image := b.Artifacts[0].Name
	c := b.Commits[0].Checksum
	for _, name := range []string{"test-43-20261121_01-x86_64-CHECKSUM", image + ".asc", c + ".commitmeta", "test-43-20261121_01.primary.intoto.jsonl"} {
		if files[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if len(files) != 5 {
		t.Errorf("%d files", len(files))
	}

	// The form is Fedora's.
	sums := files["test-43-20261121_01-x86_64-CHECKSUM"]
	want := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# " + image + ": 300000 bytes\nSHA256 (" + image + ") = " + b.Artifacts[0].Digest.Hex() + "\n"
	if !strings.HasPrefix(sums, want) || strings.Count(sums, "\n\n") != 2 || !strings.HasSuffix(sums, "\n-----END PGP SIGNATURE-----\n") {
		t.Errorf("CHECKSUM:\n%s", sums)
	}
	// A user's commands take it.
	signtest.Write(t, filepath.Join(b.Dir, "CHECKSUM"), []byte(sums), 0o644)
	cmd := exec.Command("sha256sum", "-c", "CHECKSUM")
	cmd.Dir = b.Dir
	if out, err := cmd.Output(); err != nil || strings.Count(string(out), ": OK") != 2 {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}

	// What is there already is not signed again.
	if again := do(t, s, b.Sign("primary")); again["test-43-20261121_01-x86_64-CHECKSUM"] != sums {
		t.Error("a second call signed again")
	}
}

func TestDamagedSpoolIsSignedAgain(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	s := newSigner(t, "primary", Config{File: k.Secret, Public: k.Public}, Options{})
	r, err := s.Do(t.Context(), b.Sign("primary"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Files {
		signtest.Write(t, f.Location, []byte("-----BEGIN PGP SIGNED MESSAGE-----\nhalf"), 0o644)
	}
	do(t, s, b.Sign("primary"))
}

func TestLockedKeyNeedsItsPassphrase(t *testing.T) {
	t.Parallel()
	const secret = "correct horse"
	k := signtest.Locked(t, secret)
	pass := filepath.Join(t.TempDir(), "pass")
	signtest.Write(t, pass, []byte(secret+"\n"), 0o600)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	do(t, newSigner(t, "k", Config{File: k.Secret, PassphraseFile: pass, Public: k.Public, Sign: []What{Checksums}}, Options{}), b.Sign("k"))

	s := newSigner(t, "k", Config{File: k.Secret, Public: k.Public}, Options{})
	if _, err := s.Do(t.Context(), b.Sign("k")); err == nil || !strings.Contains(err.Error(), "passphrase_file") {
		t.Errorf("without passphrase: %v", err)
	}
	signtest.Write(t, pass, []byte("wrong horse"), 0o600)
	_, err := New("k", Config{File: k.Secret, PassphraseFile: pass, Public: k.Public}, Options{Spool: t.TempDir()})
	if err == nil || strings.Contains(err.Error(), "horse") {
		t.Errorf("wrong passphrase: %v", err)
	}
}

func TestSecretsThatOthersCanReadAreRefused(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		kind Kind
		key  signtest.Key
	}{{OpenPGP, signtest.OpenPGP(t, 0)}, {Ed25519, signtest.Ed25519(t)}} {
		if err := os.Chmod(k.key.Secret, 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := New("k", Config{Kind: k.kind, File: k.key.Secret, Public: k.key.Public}, Options{Spool: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%s: %v", k.kind, err)
		}
	}
}

func TestExpiredKeyStopsTheRelease(t *testing.T) {
	t.Parallel()
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	k := signtest.OpenPGP(t, -time.Minute)
	s := newSigner(t, "k", Config{File: k.Secret, Public: k.Public}, Options{})
	if _, err := s.Do(t.Context(), b.Sign("k")); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("signed with an expired key: %v", err)
	}
}

func TestExpiredSignatureIsNotTrusted(t *testing.T) {
	t.Parallel()
	// gpgv alone ends well here.
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	k := signtest.OpenPGP(t, 2*time.Second)
	dir := t.TempDir()
	s := newSigner(t, "k", Config{File: k.Secret, Public: k.Public, Sign: []What{Checksums}}, Options{Spool: dir})
	files := do(t, s, b.Sign("k"))
	v := verifierOf(t, Trust{OpenPGP: []string{k.Public}})
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		_, err = v.clearsigned(t.Context(), []byte(files["test-43-20261121_01-x86_64-CHECKSUM"]))
		if err != nil {
			break
		}
	}
	if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
}

func TestOtherBytesThanTestedAreNotSigned(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	content, _ := os.ReadFile(b.Artifacts[1].Location)
	content[100] ^= 1
	signtest.Write(t, b.Artifacts[1].Location, content, 0o644)
	s := newSigner(t, "k", Config{File: k.Secret, Public: k.Public}, Options{})
	_, err := s.Do(t.Context(), b.Sign("k"))
	if !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "not the one that was tested") {
		t.Errorf("%v", err)
	}
}

func TestUntestedImageIsNotAttested(t *testing.T) {
	t.Parallel()
	k := signtest.Ed25519(t)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	b.Answers = b.Answers[:1]
	s := newSigner(t, "k", Config{Kind: Ed25519, File: k.Secret, Public: k.Public}, Options{})
	if _, err := s.Do(t.Context(), b.Sign("k")); err == nil || !strings.Contains(err.Error(), "no test result") {
		t.Errorf("%v", err)
	}
}

func TestEd25519SignsCommitsAndAttestations(t *testing.T) {
	t.Parallel()
	k := signtest.Ed25519(t)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	s := newSigner(t, "k", Config{Kind: Ed25519, File: k.Secret, Public: k.Public}, Options{})
	files := do(t, s, b.Sign("k"))
	if len(files) != 2 {
		t.Fatalf("%d files", len(files))
	}
	var e struct {
		PayloadType string
		Payload     []byte
	}
	var st struct {
		Subject   []struct{ Name string }
		Predicate struct {
			Result                   string
			PassedTests, WarnedTests []string
		}
	}
	first, _, _ := strings.Cut(files["test-43-20261121_01.k.intoto.jsonl"], "\n")
	if err := errors.Join(json.Unmarshal([]byte(first), &e), json.Unmarshal(e.Payload, &st)); err != nil {
		t.Fatal(err)
	}
	if st.Subject[0].Name != b.Artifacts[0].Name || st.Predicate.Result != "WARNED" || len(st.Predicate.PassedTests) != 2 || len(st.Predicate.WarnedTests) != 1 {
		t.Errorf("attested %+v", st)
	}
	// By another key it is worth nothing.
	other := signtest.Ed25519(t)
	err := Trust{Ed25519: []string{other.Public}, Temp: t.TempDir()}.Verify(t.Context(), set(b, filepath.Join(s.spool, "test-43", "20261121_01", "k"), files))
	if !errors.Is(err, ErrUntrusted) {
		t.Errorf("by another key: %v", err)
	}
}

func TestPromotedCommitIsMadeOnceAndNamesItsOrigin(t *testing.T) {
	t.Parallel()
	pgp, ed := signtest.OpenPGP(t, 0), signtest.Ed25519(t)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	o := Options{Spool: t.TempDir(), Promotion: Promotion{Ref: "stable/{arch}/host", Repo: filepath.Join(t.TempDir(), "nothing-yet")}}
	c := b.Commits[0].Checksum
	var made []string
	for name, config := range map[string]Config{"pgp": {File: pgp.Secret, Public: pgp.Public}, "ed": {Kind: Ed25519, File: ed.Secret, Public: ed.Public}} {
		for file, content := range do(t, newSigner(t, name, config, o), b.Sign(name)) {
			if strings.HasSuffix(file, ".commit") {
				made = append(made, file)
				p, err := commit.Parse([]byte(content))
				if err != nil || p.Get(commit.KeyPromotionOf).String() != c || p.Get(commit.KeyBuild).String() != "test-43/20261121_01" || p.Get("version").String() != "43.20261121_01" {
					t.Errorf("%v %+v", err, p)
				}
			}
		}
	}
	if len(made) != 2 || made[0] != made[1] {
		t.Errorf("promoted commits: %q", made)
	}
}

func TestPromotionsFollowEachOther(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	out := filepath.Join(t.TempDir(), "out")
	signtest.OSTree(t, "init", "--repo="+out, "--mode=archive")
	o := Options{Spool: t.TempDir(), Promotion: Promotion{Ref: "stable/host", Repo: out}}
	s := newSigner(t, "k", Config{File: k.Secret, Public: k.Public, Sign: []What{Commits}}, o)
	last := ""
	for _, id := range []release.BuildID{"20261121_01", "20261122_01"} {
		b := signtest.NewBuild(t, t.TempDir(), id)
		var sum string
		for name, content := range do(t, s, b.Sign("k")) {
			var ok bool
			if sum, ok = strings.CutSuffix(name, ".commit"); !ok {
				continue
			}
			p, err := commit.Parse([]byte(content))
			if err != nil || p.Parent != last {
				t.Errorf("%v, parent %q, want %q", err, p.Parent, last)
			}
			signtest.OSTree(t, "pull-local", "--repo="+out, b.Commits[0].Repo, b.Commits[0].Checksum)
			signtest.Write(t, filepath.Join(out, "objects", sum[:2], sum[2:]+".commit"), []byte(content), 0o644)
			signtest.Write(t, filepath.Join(out, "refs/heads/stable/host"), []byte(sum+"\n"), 0o644)
			last = sum
		}
		// A spool that is lost makes no other commit of what is out.
		lost := newSigner(t, "k", Config{File: k.Secret, Public: k.Public, Sign: []What{Commits}}, Options{Spool: t.TempDir(), Promotion: o.Promotion})
		if do(t, lost, b.Sign("k"))[last+".commit"] == "" {
			t.Error("with a new spool, another commit was made")
		}
	}
	signtest.OSTree(t, "fsck", "--repo="+out)
}

func TestAgentSigns(t *testing.T) {
	t.Parallel()
	home := agent(t)
	out, err := exec.Command("gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-gen-key", "Agent <agent@example.org>", "ed25519", "sign").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list, _ := exec.Command("gpg", "--homedir", home, "--with-colons", "--list-keys").Output()
	_, after, _ := strings.Cut(string(list), "fpr:::::::::")
	fingerprint, _, _ := strings.Cut(after, ":")
	public := filepath.Join(t.TempDir(), "public")
	if out, err := exec.Command("gpg", "--homedir", home, "--armor", "--output", public, "--export").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	s := newSigner(t, "agent", Config{Agent: &Agent{Fingerprint: fingerprint, Homedir: home}, Public: public, Detached: "sig"}, Options{})
	if files := do(t, s, b.Sign("agent")); files[b.Artifacts[0].Name+".sig"] == "" || len(files) != 5 {
		t.Errorf("%d files", len(files))
	}
}

// agent is a GnuPG home of its own, with a short path for the agent's socket.
func agent(t *testing.T) string {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed: apt-get install gpg gpg-agent")
	}
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return home
}

// service is a signing service: gpg behind a script, which knows its key from
// nobody's arguments.
func service(t *testing.T, lines string) []string {
	script := filepath.Join(t.TempDir(), "service")
	signtest.Write(t, script, []byte("#!/bin/sh\n"+lines+"\n"), 0o755)
	return []string{script, "{form}", "{name}"}
}

func TestServiceByCommandSigns(t *testing.T) {
	t.Parallel()
	home := agent(t)
	k := signtest.OpenPGP(t, 0)
	if out, err := exec.Command("gpg", "--homedir", home, "--batch", "--import", k.Secret).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := service(t, `case $1 in clearsign) how=--clearsign;; armored) how="--armor --detach-sign";; binary) how=--detach-sign;; *) exit 9;; esac
exec gpg --batch --quiet --homedir `+home+` $how`)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	s := newSigner(t, "service", Config{Command: command, Public: k.Public}, Options{})
	if files := do(t, s, b.Sign("service")); len(files) != 5 {
		t.Errorf("%d files", len(files))
	}
}

func TestServicesThatFailAreNotTrusted(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	for lines, want := range map[string]string{
		"cat >/dev/null; echo no such key >&2; exit 1": "no such key",
		"cat >/dev/null":                  "wrote no signature",
		"cat >/dev/null; echo nonsense":   "not signed",
		"cat":                             "not signed",
		"exec head -c 9000000 </dev/zero": "too much",
	} {
		s := newSigner(t, "service", Config{Command: service(t, lines), Public: k.Public}, Options{})
		if _, err := s.Do(t.Context(), b.Sign("service")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
	s := newSigner(t, "service", Config{Command: service(t, "exec tail -f /dev/null"), Public: k.Public}, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Do(ctx, b.Sign("service")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a service that hangs: %v", err)
	}
}

// busService answers like the signing service of Fedora CoreOS.
type busService struct {
	t     *testing.T
	key   *openPGPKey
	reply func(*signReply)
}

func (b busService) Call(ctx context.Context, topic string, request []byte) ([]byte, error) {
	var q signRequest
	if err := json.Unmarshal(request, &q); err != nil || topic != "org.example.sign" {
		b.t.Errorf("%v, topic %s", err, topic)
	}
	for _, a := range q.Artifacts {
		f, err := os.Open(a.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		sig, err := b.key.sign(ctx, binary, payload{read: f})
		if err != nil {
			return nil, err
		}
		signtest.Write(b.t, a.File+".sig", sig, 0o644)
	}
	r := signReply{RequestID: q.RequestID, Status: "SUCCESS"}
	if b.reply != nil {
		b.reply(&r)
	}
	return json.Marshal(r)
}

func TestServiceOnTheBusSignsImages(t *testing.T) {
	t.Parallel()
	k := signtest.OpenPGP(t, 0)
	b := signtest.NewBuild(t, t.TempDir(), "20261121_01")
	c := Config{Bus: &BusConfig{Topic: "org.example.sign"}, Public: k.Public}
	files := do(t, newSigner(t, "bus", c, Options{Bus: busService{t, &openPGPKey{file: k.Secret}, nil}}), b.Sign("bus"))
	if files[b.Artifacts[0].Name+".sig"] == "" || len(files) != 2 {
		t.Errorf("%d files", len(files))
	}
	for want, change := range map[string]func(*signReply){
		"another request": func(r *signReply) { r.RequestID = "x" },
		"key is locked":   func(r *signReply) { r.Status, r.Message = "FAILURE", "key is locked" },
	} {
		s := newSigner(t, "bus", c, Options{Bus: busService{t, &openPGPKey{file: k.Secret}, change}})
		if _, err := s.Do(t.Context(), b.Sign("bus")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	other := signtest.OpenPGP(t, 0)
	s := newSigner(t, "bus", c, Options{Bus: busService{t, &openPGPKey{file: other.Secret}, nil}})
	if _, err := s.Do(t.Context(), b.Sign("bus")); !errors.Is(err, ErrUntrusted) {
		t.Errorf("signed by another key: %v", err)
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	k, ed := signtest.OpenPGP(t, 0), signtest.Ed25519(t)
	for want, c := range map[string]Config{
		"exactly one of":             {Public: k.Public},
		"not 2":                      {Public: k.Public, File: k.Secret, Command: []string{"x"}},
		"public is missing":          {File: k.Secret},
		"cannot sign \"images\"":     {Kind: Ed25519, File: ed.Secret, Public: ed.Public, Sign: []What{Images}},
		"kind \"rsa\"":               {Kind: "rsa", File: k.Secret, Public: k.Public},
		"want asc or sig":            {File: k.Secret, Public: k.Public, Detached: "gpg"},
		"want {arch}":                {File: k.Secret, Public: k.Public, ChecksumFile: "CHECKSUM"},
		"no message bus":             {Bus: &BusConfig{Topic: "x"}, Public: k.Public},
		"want a PGP PUBLIC KEY":      {File: k.Secret, Public: k.Secret},
		"want an ed25519 public":     {Kind: Ed25519, File: ed.Secret, Public: k.Public},
		"no such file":               {File: "/no/such/key", Public: k.Public},
		"hexadecimal digits":         {Agent: &Agent{Fingerprint: "ABCD"}, Public: k.Public},
		"want the secret key of one": {File: copied(t, k.Public), Public: k.Public},
	} {
		if _, err := New("k", c, Options{Spool: t.TempDir()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func copied(t *testing.T, file string) string {
	b, _ := os.ReadFile(file)
	to := filepath.Join(t.TempDir(), "copy")
	signtest.Write(t, to, b, 0o600)
	return to
}
