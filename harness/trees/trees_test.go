package trees

import (
	"archive/tar"
	"bytes"
	"errors"
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
	one   = strings.Repeat("1", 64)
	two   = strings.Repeat("2", 64)
	three = strings.Repeat("3", 64)
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

// boots plans a guest whose boot wants nothing of a commit.
func boots(g *guesttest.Fake) {
	g.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints("args quiet\n")
}

func TestDerive(t *testing.T) {
	g := guesttest.New(t)
	boots(g)
	g.On("sh", "-c", deriveScript, "derive", strings.Repeat("0", 64), "41.3.assay.1", "41.3.assay.2", "fedora/41/x86_64/iot",
		"41.3.assay.3", "assay/kernel", check.DerivedKernel).Prints(one + " " + two + " " + three + " 6.12.9-200.fc41.x86_64 /var/tmp/x/repo\n")
	g.On("tar", "-C", "/var/tmp/x/repo", "-cf", "-", "objects").Prints(archive(t, "objects/", objectOf(one), objectOf(two), objectOf(three)))
	dir := t.TempDir()
	got, release, err := Derive(t.Context(), g, dir, check.Tree{Ref: "fedora:fedora/41/x86_64/iot", Commit: strings.Repeat("0", 64), Version: "41.3"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Ref != "fedora/41/x86_64/iot" || got.Newer.Commit != two || got.Newer.Version != "41.3.assay.2" || got.Older[0].Commit != one || !got.Derived ||
		got.Kernel.Commit != three || got.Kernel.Version != "41.3.assay.3" || release != "6.12.9-200.fc41.x86_64" {
		t.Errorf("%+v, %q", got, release)
	}
	for ref, want := range map[string]string{"fedora/41/x86_64/iot": two, got.Kernel.Ref: three} {
		if b, err := os.ReadFile(filepath.Join(dir, "refs/heads", ref)); err != nil || string(b) != want+"\n" {
			t.Errorf("ref %s holds %q, %v", ref, b, err)
		}
	}
}

func TestDeriveFromAHostileGuest(t *testing.T) {
	for name, c := range map[string]struct{ says, tar string }{
		"no commit":      {"here you are\n", ""},
		"escape":         {one + " " + two + " - - /x\n", archive(t, "objects/../../../etc/passwd")},
		"another file":   {one + " " + two + " - - /x\n", archive(t, "config")},
		"without commit": {one + " " + two + " - - /x\n", archive(t, objectOf(one))},
		"claims much":    {one + " " + two + " - - /x\n", sparse(t, objectOf(one))},
		"odd kernel":     {one + " " + two + " " + three + " ../x /x\n", ""},
		"lost kernel":    {one + " " + two + " " + three + " 6.12 /x\n", archive(t, objectOf(one), objectOf(two))},
		"no archive":     {one + " " + two + " - - /x\n", "nonsense"},
	} {
		g := guesttest.New(t)
		boots(g)
		g.On("sh", "-c", deriveScript, "derive", "", "0.assay.1", "0.assay.2", "assay/update", guesttest.Rest).Prints(c.says)
		if c.tar != "" {
			g.On("tar", "-C", "/x", "-cf", "-", "objects").Prints(c.tar)
		}
		dir := filepath.Join(t.TempDir(), "a", "b", "c")
		if _, _, err := Derive(t.Context(), g, dir, check.Tree{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestDeriveForSignedBoot: a commit that nobody signed cannot boot there by design.
func TestDeriveForSignedBoot(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints("conf [composefs]\nconf enabled = signed\n\nargs quiet\n")
	var refused *RefusedError
	if _, _, err := Derive(t.Context(), g, t.TempDir(), check.Tree{Commit: one}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "composefs=signed") {
		t.Errorf("%v", err)
	}
}

// derive runs the script on a repository of the test's own, with a program ostree
// before the real one that does as ostree if it has text; args are those of commit.
// The machine is a PC unless another is named.
func derive(t *testing.T, repo, base, as string, enforce bool, machine ...string) (commits, args string) {
	t.Helper()
	dir := t.TempDir()
	log, selinux := filepath.Join(dir, "args"), filepath.Join(dir, "enforce")
	write := func(path, text string, mode os.FileMode) {
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if enforce {
		write(selinux, "1", 0o644)
	}
	real, err := exec.LookPath("ostree")
	if err != nil {
		t.Skip("ostree is not installed")
	}
	write(filepath.Join(dir, "ostree"), "#!/bin/sh\n[ \"$1\" = commit ] && [ \"$2\" != --help ] && echo \"$*\" >>"+log+"\n"+as+"\nexec "+real+" \"$@\"\n", 0o755)
	write(filepath.Join(dir, "uname"), "#!/bin/sh\necho "+strings.Join(append(machine, "x86_64")[:1], "")+"\n", 0o755)
	write(filepath.Join(dir, "mount"), "#!/bin/sh\n", 0o755) // the test's host stays as it is
	script := strings.NewReplacer("/sysroot/ostree/repo", repo, "/sys/fs/selinux/enforce", selinux, "/var/tmp", dir).Replace(deriveScript)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "derive", base, "1.1", "1.2", "os/x", "1.3", "os/kernel", check.DerivedKernel)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), string(said)
}

// aRepo is a repository with one commit, made with these options.
func aRepo(t *testing.T, options ...string) (repo, commit string) {
	t.Helper()
	if _, err := exec.LookPath("ostree"); err != nil {
		t.Skip("ostree is not installed")
	}
	repo, root := filepath.Join(t.TempDir(), "repo"), t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "usr/share"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ostree", "init", "--repo="+repo, "--mode=archive").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// What needs a kernel in the tree, or one's rights over owners, is not this test's.
	args := append([]string{"commit", "--repo=" + repo, "--orphan", "--tree=dir=" + root}, options...)
	out, err := exec.Command("ostree", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return repo, strings.TrimSpace(string(out))
}

// withoutBootable is an ostree that does not want a kernel in the tree.
const withoutBootable = `[ "$*" != "commit --help" ] || { ` + "printf '%s\\n' --bind-ref=R --keep-metadata=KEY --selinux-policy=PATH --selinux-policy-from-base; exit; }"

// TestDerivedKeepsPackages: rpm-ostree crashes over an update without the list of
// its packages, and ostree over a list that is to be kept and is not there.
func TestDerivedKeepsPackages(t *testing.T) {
	const key = "rpmostree.rpmdb.pkglist"
	for name, options := range map[string][]string{"composed": {"--add-metadata=" + key + "=@as ['bash']"}, "other": nil} {
		repo, base := aRepo(t, options...)
		said, _ := derive(t, repo, base, withoutBootable, false)
		f := strings.Fields(said)
		if len(f) != 5 || f[2] != "-" || f[3] != "-" {
			t.Fatalf("%s: %q", name, said)
		}
		for _, c := range f[:2] {
			out, err := exec.Command("ostree", "show", "--repo="+repo, "--print-metadata-key="+key, c).Output()
			if (err == nil) != (options != nil) || options != nil && strings.TrimSpace(string(out)) != "['bash']" {
				t.Errorf("%s: commit %s: %q, %v", name, c, out, err)
			}
		}
	}
	repo, base := aRepo(t, "--add-metadata="+key+"=@as ['bash']")
	if _, args := derive(t, repo, base, `[ "$*" != "commit --help" ] || exit 0`, false); strings.Contains(args, "keep-metadata") {
		t.Errorf("an ostree that cannot keep: %s", args)
	}
}

// TestDerivedKernel: a file is added beside the one kernel of a PC's tree, and
// nothing else, whether or not ostree can take a base as it is.
func TestDerivedKernel(t *testing.T) {
	const release, bases = "6.12.9-200.fc41.x86_64", "--base=REV "
	const machine = "x86_64"
	for name, c := range map[string]struct {
		files   []string
		help    string
		machine string
		want    string // release
	}{
		"one kernel":            {[]string{release + "/vmlinuz", release + "/kernel/x.ko"}, bases, machine, release},
		"old ostree":            {[]string{release + "/vmlinuz"}, "", machine, release},
		"modules alone, too":    {[]string{release + "/vmlinuz", "6.1-rt/x.ko"}, bases, machine, release},
		"two kernels":           {[]string{release + "/vmlinuz", "6.1-rt/vmlinuz"}, bases, machine, "-"},
		"no kernel":             {nil, bases, machine, "-"},
		"has device trees":      {[]string{release + "/vmlinuz", release + "/dtb/x"}, bases, machine, "-"},
		"has a device tree":     {[]string{release + "/vmlinuz", release + "/devicetree"}, bases, machine, "-"},
		"boots by device trees": {[]string{release + "/vmlinuz"}, bases, "aarch64", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			repo, _ := aRepo(t)
			root := t.TempDir()
			for _, f := range append(c.files, "../../share/x") {
				path := filepath.Join(root, "usr/lib/modules", f)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command("ostree", "commit", "--repo="+repo, "--orphan", "--tree=dir="+root).Output()
			if err != nil {
				t.Fatal(err)
			}
			said, args := derive(t, repo, strings.TrimSpace(string(out)), strings.Replace(withoutBootable, "--bind-ref=R", c.help+"--bind-ref=R", 1), false, c.machine)
			f := strings.Fields(said)
			if len(f) != 5 || f[3] != c.want || strings.Contains(args, "--base=") != (c.help != "") {
				t.Fatalf("%q, %s", said, args)
			}
			list := func(commit string) string {
				out, err := exec.Command("ostree", "ls", "--repo="+repo, "-R", "--nul-filenames-only", commit).Output()
				if err != nil {
					t.Fatal(err)
				}
				return string(out)
			}
			file := "/usr/lib/modules/" + release + "/" + check.DerivedKernel
			if strings.Contains(list(f[0])+list(f[1]), file) {
				t.Error("a tree that is to have the same kernel has another")
			}
			if c.want == "-" {
				return
			}
			want := strings.Count(list(f[1]), "\x00") + 2 // the file and its folder
			if got := list(f[2]); !strings.Contains(got, file) || strings.Count(got, "\x00") != want {
				t.Errorf("the tree with another kernel has %q", got)
			}
		})
	}
}

// TestDerivedLabels: what is new gets its label from the policy, as ostree can.
func TestDerivedLabels(t *testing.T) {
	// Its commit is a fake, as no policy is here.
	ostree := func(help string) string {
		return `case "$*" in "commit --help") echo "` + help + `"; exit 0 ;; commit*) echo ` + one + `; exit 0 ;; pull*) exit 0 ;; esac`
	}
	repo, base := aRepo(t)
	for _, c := range []struct {
		help    string
		enforce bool
		want    string
	}{
		{"--selinux-policy=PATH -P, --selinux-policy-from-base", true, " --selinux-policy-from-base\n"},
		{"--selinux-policy=PATH", true, " --selinux-policy=/\n"},
		{"--owner-uid=UID", true, "version=1.1 --orphan\n"},
		{"--selinux-policy=PATH -P, --selinux-policy-from-base", false, "version=1.1 --orphan\n"},
	} {
		if _, args := derive(t, repo, base, ostree(c.help), c.enforce); !strings.Contains(args, c.want) {
			t.Errorf("%q: %s", c.help, args)
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
