package trees

import (
	"archive/tar"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/harness/guest/guesttest"
	"assay/suites/check"
)

var (
	one = strings.Repeat("1", 64)
	two = strings.Repeat("2", 64)
)

func archive(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range names {
		h := &tar.Header{Name: n, Mode: 0o644, Size: 1, Typeflag: tar.TypeReg}
		if strings.HasSuffix(n, "/") {
			h.Size, h.Typeflag = 0, tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sparse is an archive of one file that claims a terabyte and holds nothing.
func sparse(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 1 << 40, Typeflag: tar.TypeReg, Format: tar.FormatGNU})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func objectOf(commit string) string { return "objects/" + commit[:2] + "/" + commit[2:] + ".commit" }

func TestDerive(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", deriveScript, "derive", strings.Repeat("0", 64), "41.3.assay.1", "41.3.assay.2", "fedora/41/x86_64/iot").Prints(one + " " + two + " /var/tmp/x/repo\n")
	g.On("tar", "-C", "/var/tmp/x/repo", "-cf", "-", "objects").Prints(archive(t, "objects/", objectOf(one), objectOf(two)))
	dir := t.TempDir()
	got, err := Derive(t.Context(), g, dir, check.Tree{Ref: "fedora:fedora/41/x86_64/iot", Commit: strings.Repeat("0", 64), Version: "41.3"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Ref != "fedora/41/x86_64/iot" || got.Newer.Commit != two || got.Newer.Version != "41.3.assay.2" || got.Older[0].Commit != one || !got.Derived {
		t.Errorf("%+v", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "refs/heads/fedora/41/x86_64/iot")); err != nil || string(b) != two+"\n" {
		t.Errorf("the ref holds %q, %v", b, err)
	}
}

func TestDeriveFromAHostileGuest(t *testing.T) {
	for name, c := range map[string]struct{ says, tar string }{
		"no commit":      {"here you are\n", ""},
		"escape":         {one + " " + two + " /x\n", archive(t, "objects/../../../etc/passwd")},
		"another file":   {one + " " + two + " /x\n", archive(t, "config")},
		"without commit": {one + " " + two + " /x\n", archive(t, objectOf(one))},
		"claims much":    {one + " " + two + " /x\n", sparse(t, objectOf(one))},
		"no archive":     {one + " " + two + " /x\n", "nonsense"},
	} {
		g := guesttest.New(t)
		g.On("sh", "-c", deriveScript, "derive", "", "0.assay.1", "0.assay.2", "assay/update").Prints(c.says)
		if c.tar != "" {
			g.On("tar", "-C", "/x", "-cf", "-", "objects").Prints(c.tar)
		}
		dir := filepath.Join(t.TempDir(), "a", "b", "c")
		if _, err := Derive(t.Context(), g, dir, check.Tree{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBranch(t *testing.T) {
	for in, want := range map[string]string{"r:a/b": "a/b", "a/b": "a/b", "": "assay/update", "r:../x": "assay/update", "r:a..b": "assay/update", "--help": "assay/update", "r:a//b": "assay/update"} {
		if got := branch(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestHandler(t *testing.T) {
	dir := t.TempDir()
	body := strings.Repeat("x", 5000)
	if err := os.WriteFile(filepath.Join(dir, "big"), []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(Handler(dir))
	defer srv.Close()
	get := func(path string) (string, time.Duration, error) {
		began := time.Now()
		r, err := http.Get(srv.URL + path)
		if err != nil {
			return "", 0, err
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		return string(b), time.Since(began), err
	}
	if b, _, err := get("/repo/big"); b != body || err != nil {
		t.Errorf("whole: %d bytes, %v", len(b), err)
	}
	if b, took, err := get("/slow/repo/big"); b != body || err != nil || took < 2*slowPause {
		t.Errorf("slow: %d bytes in %s, %v", len(b), took, err)
	}
	if b, _, err := get("/cut/repo/big"); len(b) > cutAfter || err == nil {
		t.Errorf("cut: %d bytes, %v; want an error after at most %d", len(b), err, cutAfter)
	}
}

// TestReadWhatIsNone: what is no repository is told in our own words.
func TestReadWhatIsNone(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/nowhere", "/etc/passwd"} {
		if _, err := Read(t.Context(), dir, "os/x", check.Tree{}); err == nil || !strings.Contains(err.Error(), dir+" is no ostree repository") {
			t.Errorf("%v", err)
		}
	}
}

func TestRead(t *testing.T) {
	if _, err := exec.LookPath("ostree"); err != nil {
		t.Skip("ostree is not installed")
	}
	dir := filepath.Join(t.TempDir(), "repo")
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("ostree", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ostree %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "--repo="+dir, "--mode=archive")
	var commits []string
	for _, v := range []string{"1", "2", "3", "4"} {
		tree := t.TempDir()
		if err := os.WriteFile(filepath.Join(tree, "version"), []byte(v), 0o644); err != nil {
			t.Fatal(err)
		}
		commits = append(commits, run("commit", "--repo="+dir, "-b", "os/x", "--tree=dir="+tree, "--add-metadata-string=version="+v))
	}
	got, err := Read(t.Context(), dir, "os/x", check.Tree{Commit: commits[2]})
	if err != nil {
		t.Fatal(err)
	}
	if got.Newer.Version != "4" || len(got.Older) != 2 || got.Older[0].Version != "2" || got.Older[1].Commit != commits[0] {
		t.Errorf("%+v", got)
	}
	if _, err := Read(t.Context(), dir, "os/x", check.Tree{Commit: commits[3]}); err == nil || !strings.Contains(err.Error(), "which the image has") {
		t.Errorf("the newest tree as an update: %v", err)
	}
	if _, err := Read(t.Context(), dir, "os/none", check.Tree{}); err == nil || !strings.Contains(err.Error(), dir+" has no ref os/none, but os/x") {
		t.Errorf("no such ref: %v", err)
	}
}
