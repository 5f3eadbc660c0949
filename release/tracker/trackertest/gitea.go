package trackertest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/release/servertest"
	"assay/release/tracker"
)

// giteaVersion is API-compatible with Forgejo.
const giteaVersion = "v1.26.0"

// gitea is the folder with the program and the files it needs, built once.
func gitea(t testing.TB) string {
	dir := servertest.Cache(t, "gitea-"+giteaVersion)
	program := filepath.Join(dir, "gitea")
	if _, err := os.Stat(program); err == nil {
		return dir
	}
	t.Logf("building Gitea %s into %s; this takes some five minutes, once", giteaVersion, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	run := func(args ...string) string {
		c := exec.Command("nice", append([]string{"-n", "19", "go"}, args...)...)
		c.Dir = scratch
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false")
		return servertest.Output(t, c)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(run("mod", "download", "-json", "code.gitea.io/gitea@"+giteaVersion)), &module); err != nil {
		t.Fatal(err)
	}
	// Only the main module's replacements count, so the scratch module repeats
	// Gitea's.
	var theirs struct {
		Go      string
		Replace []struct {
			Old, New struct{ Path, Version string }
		}
	}
	if err := json.Unmarshal([]byte(run("mod", "edit", "-json", filepath.Join(module.Dir, "go.mod"))), &theirs); err != nil {
		t.Fatal(err)
	}
	mod := fmt.Sprintf("module scratch\n\ngo %s\n\nrequire code.gitea.io/gitea %s\n", theirs.Go, giteaVersion)
	for _, r := range theirs.Replace {
		mod += fmt.Sprintf("replace %s => %s %s\n", strings.TrimSpace(r.Old.Path+" "+r.Old.Version), r.New.Path, r.New.Version)
	}
	if err := os.WriteFile(filepath.Join(scratch, "go.mod"), []byte(mod), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"templates", "options", "public"} {
		if err := os.RemoveAll(filepath.Join(dir, d)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, d), os.DirFS(filepath.Join(module.Dir, d))); err != nil {
			t.Fatal(err)
		}
	}
	servertest.Output(t, exec.Command("chmod", "-R", "a+rX", dir)) // modules are read-only, and their owner's
	run("build", "-tags", "sqlite,sqlite_unlock_notify", "-o", program+".new", "code.gitea.io/gitea")
	if err := os.Rename(program+".new", program); err != nil {
		t.Fatal(err)
	}
	return dir
}

const giteaConfig = `APP_NAME = test
RUN_USER = %[1]s
RUN_MODE = prod
WORK_PATH = %[2]s

[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]d
ROOT_URL = http://127.0.0.1:%[3]d/
STATIC_ROOT_PATH = %[4]s
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = %[2]s/gitea.db

[security]
INSTALL_LOCK = true
SECRET_KEY = only-for-this-test

[service]
DISABLE_REGISTRATION = true

[mailer]
ENABLED = false

[log]
MODE = console
LEVEL = warn

[cron]
ENABLED = false

[actions]
ENABLED = false
`

// Gitea starts a real server and returns a function that makes projects in it.
func Gitea(t testing.TB) func(testing.TB) Project {
	servertest.Need(t)
	files := gitea(t)
	work, port := servertest.WorkFolder(t), servertest.FreePort(t)
	user := "nobody"
	if os.Geteuid() != 0 {
		user = servertest.Output(t, exec.Command("id", "-un"))
	}
	ini := filepath.Join(work, "app.ini")
	if err := os.WriteFile(ini, fmt.Appendf(nil, giteaConfig, user, work, port, files), 0o644); err != nil {
		t.Fatal(err)
	}
	servertest.Give(t, ini)
	cli := func(args ...string) string {
		return servertest.Output(t, servertest.As(work, filepath.Join(files, "gitea"), append([]string{"--config", ini, "--work-path", work}, args...)...))
	}
	cli("migrate")
	// Scopes as the adapter's documentation has them.
	bot := giteaUser(cli, "assay-bot", "write:issue,read:user,read:repository,read:organization")
	admin := giteaUser(cli, "person", "all", "--admin")
	s := servertest.Start(t, servertest.As(work, filepath.Join(files, "gitea"), "--config", ini, "--work-path", work, "web"), filepath.Join(work, "log"))
	p := person{fmt.Sprintf("http://127.0.0.1:%d/api/v1", port), "Authorization", "token " + admin}
	s.Answers(t, func() error { return p.try("GET", "/version", nil, nil) })
	n := 0
	return func(t testing.TB) Project {
		n++
		g := &giteaProject{person: p, name: fmt.Sprintf("person/project-%d", n)}
		g.call(t, "POST", "/user/repos", map[string]any{"name": strings.TrimPrefix(g.name, "person/")}, nil)
		g.call(t, "PUT", "/repos/"+g.name+"/collaborators/assay-bot", map[string]any{"permission": "write"}, nil)
		for _, l := range []string{Label, "status/wontfix"} {
			g.call(t, "POST", "/repos/"+g.name+"/labels", map[string]any{"name": l, "color": "#00aabb"}, nil)
		}
		g.config = tracker.Config{Type: tracker.Gitea, URL: strings.TrimSuffix(p.base, "/api/v1"), Project: g.name,
			TokenFile: tokenFile(t, bot), PlainHTTPOnLoopback: true, Labels: []string{Label}}
		return g
	}
}

func giteaUser(cli func(...string) string, name, scopes string, more ...string) (token string) {
	cli(append([]string{"admin", "user", "create", "--username", name, "--email", name + "@localhost.localdomain", "--random-password", "--must-change-password=false"}, more...)...)
	return cli("admin", "user", "generate-access-token", "--username", name, "--token-name", "test", "--scopes", scopes, "--raw")
}

type giteaProject struct {
	person
	name   string
	config tracker.Config
}

func (g *giteaProject) Config() tracker.Config { return g.config }

func (g *giteaProject) Bugs(t testing.TB) []Bug {
	t.Helper()
	type text struct {
		Number             int
		Title, Body, State string
		Labels             []struct{ Name string }
	}
	var out []Bug
	for page := 1; ; page++ {
		var issues []text
		g.call(t, "GET", fmt.Sprintf("/repos/%s/issues?state=all&type=issues&limit=50&page=%d", g.name, page), nil, &issues)
		for _, is := range issues {
			b := Bug{Ref: fmt.Sprint(is.Number), Title: is.Title, Body: is.Body, Open: is.State == "open"}
			for _, l := range is.Labels {
				b.Labels = append(b.Labels, l.Name)
			}
			var comments []text
			g.call(t, "GET", fmt.Sprintf("/repos/%s/issues/%d/comments", g.name, is.Number), nil, &comments)
			for _, c := range comments {
				b.Comments = append(b.Comments, c.Body)
			}
			out = append(out, b)
		}
		if len(issues) == 0 {
			slices.Reverse(out)
			return out
		}
	}
}

func (g *giteaProject) Close(t testing.TB, ref string, wontFix bool) {
	t.Helper()
	path := "/repos/" + g.name + "/issues/" + ref
	if wontFix {
		g.call(t, "POST", path+"/labels", map[string]any{"labels": []string{"status/wontfix"}}, nil)
	}
	g.call(t, "PATCH", path, map[string]any{"state": "closed"}, nil)
}

func (g *giteaProject) Comment(t testing.TB, ref, text string) {
	t.Helper()
	g.call(t, "POST", "/repos/"+g.name+"/issues/"+ref+"/comments", map[string]any{"body": text}, nil)
}

// HTML implements Renderer.
func (g *giteaProject) HTML(t testing.TB, b Bug) (html string) {
	t.Helper()
	g.call(t, "POST", "/markdown", map[string]any{"Text": b.Body, "Mode": "gfm", "Context": g.name}, &html)
	return html
}
