package scenario

import (
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"assay/release"
	"assay/release/sign/signtest"
	"assay/release/tracker/trackertest"
)

// World is what is around the stage and outlives it: who makes builds, the mail
// server, the tracker, the web server, and a reader.
type World struct {
	t testing.TB
	// Dir is the stage's folder, URL the address of the download site.
	Dir, URL string
	Reader   *Reader
	project  trackertest.Project
	post     *post
	down     atomic.Bool
	// Fate is asked of each request to the tracker, unless it is down; nil lets
	// all pass.
	Fate func() trackertest.Fault
	// MailCame is called when a mail is there and nobody was told; it may be nil.
	MailCame func()

	// What was there at the last look.
	outs  map[release.Stream]release.BuildID
	warns string
	bugs  map[string]trackertest.Bug
	mails int
	// Counts are of all that came so far.
	Counts Counts
}

// Counts are what the world got in ten weeks. Results are messages about tests:
// those asked for, and those answered.
type Counts struct{ Releases, Revocations, Mails, Bugs, Comments, Results int }

// NewWorld starts servers on the loopback and makes all builds and keys. The
// tracker's project is new.
func NewWorld(t testing.TB, dir string, project trackertest.Project) *World {
	w := &World{t: t, Dir: dir, project: project, outs: map[release.Stream]release.BuildID{}, bugs: map[string]trackertest.Bug{}}
	if err := Compose(t.Context(), filepath.Join(dir, "builds")); err != nil {
		t.Fatal(err)
	}
	w.post = newPost(t)
	w.post.before = func() {
		if w.MailCame != nil {
			w.MailCame()
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.URL = "http://" + l.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(w.serve), ReadHeaderTimeout: 10 * time.Second}
	over := make(chan error, 1)
	go func() { over <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-over })

	pgp, ed := signtest.OpenPGP(t, 0), signtest.Ed25519(t)
	c := project.Config()
	c.URL = trackertest.NewLine(t, c.URL, func(int) trackertest.Fault {
		switch {
		case w.down.Load():
			return trackertest.Refused
		case w.Fate != nil:
			return w.Fate()
		}
		return trackertest.Fine
	}).URL()
	if err := configure(dir, w.post.address, w.URL, pgp, ed, c); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "reader")
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if w.Reader, err = newReader(home, w.URL, pgp.Public, ed.Public); err != nil {
		t.Fatal(err)
	}
	return w
}

// serve is the web server of the downloads.
func (w *World) serve(rw http.ResponseWriter, r *http.Request) {
	f, err := os.Open(filepath.Join(w.Dir, "public", filepath.FromSlash(path.Clean("/"+r.URL.Path))))
	if err != nil {
		http.NotFound(rw, r)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(rw, r)
		return
	}
	http.ServeContent(rw, r, r.URL.Path, info.ModTime(), f)
}

// Morning is what happens outside before a day begins. It may happen again.
func (w *World) Morning(d Day) {
	switch {
	case d.Outside.TrackerDown:
		w.down.Store(true)
	case d.Outside.TrackerUp:
		w.down.Store(false)
	case d.Outside.WontFix != "":
		for _, b := range w.project.Bugs(w.t) {
			if subjectOf(b.Title) == string(d.Outside.WontFix) && b.Open {
				w.project.Close(w.t, b.Ref, true)
			}
		}
	}
}
