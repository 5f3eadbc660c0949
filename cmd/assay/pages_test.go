package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// page is a file below the host's folder; empty while it is not there.
func (h *host) page(name string) string {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return string(b)
}

// mails are what was announced, in one text.
func (h *host) mails() (n int, all string) {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, "mails", "*"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		all += string(b)
	}
	return len(files), all
}

// TestPagesOfferWhatCanBeDownloaded, and between releases they tell what people
// said since.
func TestPagesOfferWhatCanBeDownloaded(t *testing.T) {
	h := newHost(t)
	h.write("stage.yaml", "rehearsal: true\n"+h.page("stage.yaml"))
	later := time.Duration(0)
	once := func() {
		t.Helper()
		later += 2 * time.Hour // what failed is tried again
		h.assay("serve", "--once", "--clock", time.Now().Add(later).UTC().Format(time.RFC3339))
	}
	const ours, theirs = "pages/streams/demo-1/", "public/streams/demo-1/"
	offers := func(folder, build, not string) {
		t.Helper()
		for _, name := range []string{"index.html", "stream.json"} {
			p := h.page(folder + name)
			if !strings.Contains(p, "/"+build+"/"+build+".qcow2") || not != "" && strings.Contains(p, not+".qcow2") {
				t.Errorf("%s%s does not offer %s, or offers %q:\n%s", folder, name, build, not, p)
			}
		}
	}
	h.build("20261121_01", "accepted")
	h.assay("release", "promote", "20261121_01", "--out-of-band", "--reason", "first", "--as", "alice", "--yes")
	once()
	offers(ours, "20261121_01", "")
	offers(theirs, "20261121_01", "")

	// The target is away: readers get what they had.
	h.build("20261122_01", "accepted")
	h.assay("release", "promote", "20261122_01", "--out-of-band", "--reason", "second", "--as", "alice", "--yes")
	if err := os.Rename(filepath.Join(h.dir, "public"), filepath.Join(h.dir, "away")); err != nil {
		t.Fatal(err)
	}
	once()
	offers(ours, "20261121_01", "20261122_01")
	if p := h.page(ours + "index.html"); !strings.Contains(p, "20261122_01 is on its way") {
		t.Errorf("nothing is on its way:\n%s", p)
	}
	for _, name := range []string{"releases.json", "updates.json", "releases.atom"} {
		if p := h.page(ours + name); p == "" || strings.Contains(p, "20261122_01") {
			t.Errorf("%s:\n%s", name, p)
		}
	}
	if err := os.Rename(filepath.Join(h.dir, "away"), filepath.Join(h.dir, "public")); err != nil {
		t.Fatal(err)
	}
	once()
	offers(ours, "20261122_01", "")
	offers(theirs, "20261122_01", "")
	said, _ := h.mails()

	// What people say shows on the pages of the target, too.
	h.assay("release", "block", "--reason", "kernel regression", "--as", "alice", "--yes")
	once()
	if p := h.page(theirs + "index.html"); !strings.Contains(p, "Releases are stopped") || !strings.Contains(p, "ernel regression") {
		t.Errorf("the target does not tell of the block:\n%s", p)
	}
	h.assay("release", "revoke", "20261121_01", "--reason", "eats disks", "--link", "https://bugs.example/7", "--as", "alice", "--yes")
	once()
	offers(theirs, "20261122_01", "")
	for _, folder := range []string{ours, theirs} {
		if p := h.page(folder + "index.html"); !strings.Contains(p, "20261121_01 was revoked. Do not use it.") {
			t.Errorf("%sindex.html does not tell of the revocation:\n%s", folder, p)
		}
		for _, name := range []string{"releases.json", "updates.json", "releases/20261121_01.json"} {
			if p := h.page(folder + name); !strings.Contains(p, `"revoked"`) || !strings.Contains(p, "https://bugs.example/7") {
				t.Errorf("%s%s does not tell of the revocation:\n%s", folder, name, p)
			}
		}
	}
	n, mails := h.mails()
	if n != said+1 || !strings.Contains(mails, "eats disks") {
		t.Errorf("%d mails after %d:\n%s", n, said, mails)
	}
	once()
	if again, _ := h.mails(); again != n {
		t.Errorf("%d mails after %d", again, n)
	}
}

// TestRetire: what would go is said first; then pages, files and history agree.
func TestRetire(t *testing.T) {
	h := newHost(t)
	s := h.serve()
	builds := []string{"20261121_01", "20261122_01", "20261123_01", "20261124_01"}
	for _, b := range builds {
		h.build(b, "accepted")
		h.assay("release", "promote", b, "--out-of-band", "--reason", "x", "--as", "alice", "--yes")
		s.until(b+" is published", func() bool { return s.published(b) })
	}
	args := []string{"release", "retire", "--keep", "1", "--reason", "the disk is full"}
	out, err := h.try(append(args, "--as", "alice")...)
	if err == nil || !strings.Contains(out, "20261121_01: 20261121_01.qcow2") || !strings.Contains(out, "20261122_01: ") || strings.Contains(out, "20261123_01") || strings.Contains(out, "20261124_01") ||
		!strings.Contains(out, "to be recorded: demo-1 releases.retired: from site: 20261121_01, 20261122_01: the disk is full") {
		t.Errorf("a dry run: %v\n%s", err, out)
	}
	for _, a := range [][]string{append(args, "--as", "mallory", "--yes"), {"release", "retire", "20261123_01", "--reason", "x", "--as", "alice", "--yes"},
		{"release", "retire", "20261124_01", "--reason", "x", "--as", "alice", "--yes"}, append(args, "--target", "moon", "--as", "alice", "--yes"), append(args, "--older-than", "soon", "--as", "alice", "--yes")} {
		if out, err := h.try(a...); err == nil {
			t.Errorf("%q: %s", a, out)
		}
	}
	if out := h.assay(append(args, "--older-than", "90d", "--as", "alice", "--yes")...); !strings.Contains(out, "nothing to do") {
		t.Error(out)
	}
	for _, b := range builds {
		if h.page("public/releases/demo-1/"+b+"/"+b+".qcow2") == "" {
			t.Errorf("nothing was retired, and %s is gone", b)
		}
	}
	h.assay(append(args, "--as", "alice", "--yes")...)
	s.until("the old ones are gone", func() bool {
		return h.page("public/releases/demo-1/"+builds[0]+"/files.json") == "" && h.page("public/releases/demo-1/"+builds[1]+"/files.json") == ""
	})
	for _, b := range builds[2:] {
		if h.page("public/releases/demo-1/"+b+"/"+b+".qcow2") == "" {
			t.Errorf("%s is gone", b)
		}
	}
	if p := h.page("public/streams/demo-1/releases.html"); strings.Count(p, "no longer kept") != 2 || strings.Contains(p, `href="../../releases/demo-1/20261121_01/`) || !strings.Contains(p, `href="../../releases/demo-1/20261123_01/`) {
		t.Errorf("the pages:\n%s", p)
	}
	if out := h.assay(append(args, "--as", "alice", "--yes")...); !strings.Contains(out, "nothing to do") {
		t.Error(out)
	}
	s.stop()
}
