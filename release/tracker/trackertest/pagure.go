package trackertest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/release/servertest"
	"assay/release/tracker"
)

//go:embed testdata/pagure_server.py
var pagureServer string

// pagureRoot is a folder with a Debian trixie that has Pagure, made once.
func pagureRoot(t testing.TB) string {
	dir := servertest.Cache(t, "pagure-trixie")
	if _, err := os.Stat(filepath.Join(dir, "usr/share/pagure")); err == nil {
		return dir
	}
	t.Logf("installing Debian's Pagure into %s; this takes some three minutes, once", dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	servertest.Output(t, exec.Command("nice", "-n", "19", "mmdebstrap", "--quiet", "--variant=apt", "--include=pagure",
		`--aptopt=Apt::Install-Recommends "false"`, "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		"trixie", dir+".new"))
	if err := os.Rename(dir+".new", dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pagureProjects is how many projects there are; a run of the kit takes a
// hundred and some.
const pagureProjects = 400

// Pagure starts a real server, in a chroot, and returns a function that hands
// out its projects.
func Pagure(t testing.TB) func(testing.TB) Project {
	servertest.Need(t)
	if os.Geteuid() != 0 {
		t.Skip("Pagure runs in a chroot here: run this as root")
	}
	root := pagureRoot(t)
	work, err := os.MkdirTemp(filepath.Join(root, "tmp"), "server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(work) })
	servertest.Give(t, work)
	port := servertest.FreePort(t)
	inside := "/" + strings.TrimPrefix(strings.TrimPrefix(work, root), "/")
	c := servertest.As(inside, "/usr/bin/python3", "-", inside, fmt.Sprint(port), fmt.Sprint(pagureProjects))
	c.SysProcAttr.Chroot = root
	c.Stdin = strings.NewReader(pagureServer)
	s := servertest.Start(t, c, filepath.Join(t.TempDir(), "log"))
	tokens := map[string]string{}
	p := person{base: fmt.Sprintf("http://127.0.0.1:%d", port), header: "Authorization"}
	s.Answers(t, func() error {
		b, err := os.ReadFile(filepath.Join(work, "tokens.json"))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &tokens); err != nil {
			return err
		}
		return p.try("GET", "/api/0/version", nil, nil)
	})
	p.value = "token " + tokens["person"]
	n := 0
	return func(t testing.TB) Project {
		n++
		return &pagureProject{person: p, config: tracker.Config{Type: tracker.Pagure, URL: p.base, Project: fmt.Sprintf("project-%d", n),
			TokenFile: tokenFile(t, tokens["assay-bot"]), PlainHTTPOnLoopback: true, Labels: []string{Label}}}
	}
}

type pagureProject struct {
	person
	config tracker.Config
}

func (*pagureProject) Slow() {}

func (p *pagureProject) Config() tracker.Config { return p.config }

func (p *pagureProject) Bugs(t testing.TB) []Bug {
	t.Helper()
	var out []Bug
	for page := 1; ; page++ {
		var list struct {
			Issues []struct {
				ID                     int
				Title, Content, Status string
				Tags                   []string
				Comments               []struct {
					Comment string
					// Notification is true when the server wrote it.
					Notification bool
				}
			}
		}
		p.call(t, "GET", fmt.Sprintf("/api/0/%s/issues?status=all&per_page=50&page=%d", p.config.Project, page), nil, &list)
		for _, is := range list.Issues {
			b := Bug{Ref: fmt.Sprint(is.ID), Title: is.Title, Body: is.Content, Open: is.Status == "Open", Labels: is.Tags}
			for _, c := range is.Comments {
				if !c.Notification {
					b.Comments = append(b.Comments, c.Comment)
				}
			}
			out = append(out, b)
		}
		if len(list.Issues) == 0 {
			slices.Reverse(out)
			return out
		}
	}
}

func (p *pagureProject) Close(t testing.TB, ref string, wontFix bool) {
	t.Helper()
	status := "Fixed"
	if wontFix {
		status = "Won't fix"
	}
	p.call(t, "POST", "/api/0/"+p.config.Project+"/issue/"+ref+"/status", url.Values{"status": {"Closed"}, "close_status": {status}}.Encode(), nil)
}

func (p *pagureProject) Comment(t testing.TB, ref, text string) {
	t.Helper()
	p.call(t, "POST", "/api/0/"+p.config.Project+"/issue/"+ref+"/comment", url.Values{"comment": {text}}.Encode(), nil)
}

// HTML implements Renderer.
func (p *pagureProject) HTML(t testing.TB, b Bug) (html string) {
	t.Helper()
	p.call(t, "POST", "/as-shown", url.Values{"text": {b.Body}}.Encode(), &html)
	return html
}
