package site_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"assay/release/site"
)

// commands are the texts of a page's pre elements with such a name.
func commands(t *testing.T, page []byte, name string) string {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Data != "pre" {
			continue
		}
		for _, a := range n.Attr {
			if a.Key == "aria-label" && a.Val == name {
				return text(n)
			}
		}
	}
	t.Fatalf("there are no %q", name)
	return ""
}

// TestVerifyCommandsWork runs the commands of the page as they stand, with the
// real programs, on good files and on bad ones.
func TestVerifyCommandsWork(t *testing.T) {
	for _, program := range []string{"bash", "curl", "gpgv", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	in, l := example(t)
	var files site.Files
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := l.files[strings.TrimPrefix(r.URL.Path, "/releases/")]
		if !ok {
			b, ok = files[strings.TrimPrefix(r.URL.Path, "/")]
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b)
	}))
	defer srv.Close()
	in.URL = srv.URL
	files = render(t, in)
	script := commands(t, files["streams/fedora-43/index.html"], "Commands to verify x86_64")
	const folder, image, sums = "fedora-43/20261117_01/", "Atomic-Host-20261117_01.x86_64.qcow2", "fedora-43-20261117_01-x86_64-CHECKSUM"
	good := t.TempDir()
	try := func(dir string) (string, error) {
		if err := os.WriteFile(filepath.Join(dir, image), l.files[folder+image], 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("bash", "-euo", "pipefail", "-c", script)
		c.Dir = dir
		c.Env = append(os.Environ(), "LC_ALL=C", "GNUPGHOME="+dir)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	out, err := try(good)
	if err != nil || !strings.Contains(out, "Good signature from \"Atomic Host releases") || !strings.Contains(out, image+": OK") {
		t.Fatalf("the commands do not work: %v\n%s\n%s", err, script, out)
	}
	if out, err := try(good); err != nil { // for the second image of the folder
		t.Errorf("the second time: %v\n%s", err, out)
	}
	for what, change := range map[string]func(){
		"another image": func() { l.files[folder+image] = []byte("evil") },
		"another checksum": func() {
			l.files[folder+sums] = bytes.Replace(l.files[folder+sums], []byte("SHA256 ("), []byte("SHA256 (a"), 1)
		},
		"a line outside the signature": func() {
			evil := []byte("evil")
			l.files[folder+image] = evil
			l.files[folder+sums] = append([]byte("SHA256 ("+image+") = "+digest(evil).Hex()+"\n"), l.files[folder+sums]...)
		},
		"another key": func() { files["streams/fedora-43/keys/key.gpg"] = otherKey(t) },
	} {
		keep, keepKey := map[string][]byte{image: l.files[folder+image], sums: l.files[folder+sums]}, files["streams/fedora-43/keys/key.gpg"]
		change()
		if out, err := try(t.TempDir()); err == nil {
			t.Errorf("%s passes:\n%s", what, out)
		}
		l.files[folder+image], l.files[folder+sums], files["streams/fedora-43/keys/key.gpg"] = keep[image], keep[sums], keepKey
	}
}

func otherKey(t *testing.T) []byte {
	other := newLab(t)
	in := site.Input{URL: "https://example.org", State: other.State, Now: other.Now, Streams: []site.Stream{{Policy: other.Policy, Keys: []site.Key{{Name: "key", OpenPGP: other.public(t)}}}}}
	return render(t, in)["streams/none/keys/key.gpg"]
}

// TestStartCommandsParse holds the commands to start images to the shell's
// grammar; what they do needs images.
func TestStartCommandsParse(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	in, _ := example(t)
	doc, err := html.Parse(bytes.NewReader(render(t, in)["streams/fedora-43/index.html"]))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e := range doc.Descendants() {
		if e.Data == "pre" {
			n++
			if out, err := exec.Command("bash", "-n", "-c", text(e)).CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, text(e))
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d commands", n)
	}
}
