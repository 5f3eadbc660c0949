package usercheck

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
)

const inGuest = "/var/lib/assay-checks/user/plain"

// one is the single check of a folder, packed.
func one(t *testing.T, header ...string) Check {
	t.Helper()
	all, err := Find([]string{folder(t, map[string]string{"plain.sh*": script(header...), "data/common": "x", "plain.d/tool*": "y"})})
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].Pack(filepath.Join(t.TempDir(), "b.tar")); err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// ready is a guest into which a check can be copied and started.
func ready(g *guesttest.Fake) {
	g.On("sh", "-c", placeScript, "sh", inGuest, guesttest.Any).As("")
	g.On("sh", "-c", beginScript, "sh", inGuest, linkFolder).As("")
	g.LacksFile(inGuest + "/" + preparedFile)
	g.LacksFile(inGuest + "/" + markFile)
}

// ends plans how the check ends.
func ends(g *guesttest.Fake) *guesttest.Plan {
	return g.On("sh", "-c", startScript, "sh", inGuest, "plain.sh")
}

func judged(t *testing.T, c Check, g *guesttest.Fake, env check.Env) (check.Judgement, string) {
	t.Helper()
	dir := t.TempDir()
	j := c.Registered(dir).Do(context.Background(), &check.T{Guest: g, Env: env, Log: t.Logf})
	b, err := os.ReadFile(filepath.Join(dir, OutputName(c.ID())))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return j, string(b)
}

func TestRun(t *testing.T) {
	lost := &guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")}
	late := &guest.TimeoutError{Guest: "fake", Op: "run", Limit: time.Minute}
	for _, c := range []struct {
		name    string
		header  []string
		env     check.Env
		guest   func(g *guesttest.Fake)
		outcome reports.Outcome
		fault   reports.Fault
		says    string
	}{
		{"passes", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).As("").Prints("fine\n") }, reports.Passed, "", ""},
		{"fails", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Prints("a\nthe page is empty\n\n").Exits(1) }, reports.Failed, reports.FaultImage, "the page is empty"},
		{"fails under set -x", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Prints("no page\n+ exit 3\n").Exits(3) }, reports.Failed, reports.FaultImage, "no page"},
		{"fails silently", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Exits(4) }, reports.Failed, reports.FaultImage, "exit status 4, no output"},
		{"crashes", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Prints("about to\n").Dies("SEGV") }, reports.Failed, reports.FaultImage, "ended with signal SEGV: about to"},
		{"is killed", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Exits(137) }, reports.Failed, reports.FaultImage, "exit status 137 and said nothing"},
		{"fails before it begins", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Says("sudo: no\n").Exits(1) }, reports.Failed, reports.FaultImage, "sudo: no"},
		{"skips", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Prints("no web server here\n").Exits(77) }, reports.Skipped, "", "no web server here"},
		{"skips without a word", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Exits(77) }, reports.Skipped, "", "no reason"},
		{"cannot be executed", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Prints("sh: ./plain.sh: Permission denied\n").Exits(126) }, reports.Errored, reports.FaultTest, "Permission denied"},
		{"wants a program that is not there", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Prints("plain.sh: 5: jq: not found\n").Exits(127) }, reports.Errored, reports.FaultTest, "jq: not found"},
		{"takes too long", nil, check.Env{}, func(g *guesttest.Fake) { ends(g).Fails(late) }, reports.Errored, reports.FaultInfra, "longer than 1m0s"},
		{"guest gone", nil, check.Env{}, func(g *guesttest.Fake) {
			ends(g).Fails(lost)
			g.OnReboot(func() error { return lost })
		}, reports.Errored, reports.FaultInfra, "gone"},
		{"cannot be copied", nil, check.Env{}, func(g *guesttest.Fake) {
			g.On("sh", "-c", placeScript, guesttest.Rest).Exits(1).Says("tar: No space left on device\n")
		}, reports.Errored, reports.FaultInfra, "cannot copy the check user/plain into the guest: tar: No space left"},
		{"copying breaks off", nil, check.Env{}, func(g *guesttest.Fake) { g.On("sh", "-c", placeScript, guesttest.Rest).Fails(lost) }, reports.Errored, reports.FaultInfra, "gone"},
		{"no tar", nil, check.Env{}, func(g *guesttest.Fake) { g.On("sh", "-c", placeScript, guesttest.Rest).Exits(127) }, reports.Skipped, "", "no tar"},
		{"cannot be started", nil, check.Env{}, func(g *guesttest.Fake) {
			g.On("sh", "-c", beginScript, guesttest.Rest).Exits(1).Says("ln: read-only\n")
		}, reports.Errored, reports.FaultInfra, "ln: read-only"},
		{"as a user", []string{"user: core"}, check.Env{}, func(g *guesttest.Fake) {
			g.On("sh", "-c", needsScript, "sh", "user", "core")
			ends(g).As("core")
		}, reports.Passed, "", ""},
		{"as the seed's user", []string{"user: ordinary"}, check.Env{User: "assay"}, func(g *guesttest.Fake) {
			g.On("sh", "-c", needsScript, "sh", "user", "assay")
			ends(g).As("assay")
		}, reports.Passed, "", ""},
		{"no such user", []string{"user: core"}, check.Env{}, func(g *guesttest.Fake) {
			g.On("sh", "-c", needsScript, "sh", "user", "core").Prints("user core\n")
		}, reports.Skipped, "", "the image has no user core"},
		{"no ordinary user", []string{"user: ordinary"}, check.Env{}, func(*guesttest.Fake) {}, reports.Skipped, "", "no ordinary user"},
		{"needs", []string{"needs: {packages: [nginx], commands: [curl], files: [/etc/x]}"}, check.Env{}, func(g *guesttest.Fake) {
			g.On("sh", "-c", needsScript, "sh", "package", "nginx", "command", "curl", "file", "/etc/x").Prints("package nginx\nfile /etc/x\n")
		}, reports.Skipped, "", "the image has no package nginx, no file /etc/x"},
		{"needs memory", []string{"needs: {memory: 4096}"}, check.Env{MemoryMiB: 2048}, func(*guesttest.Fake) {}, reports.Skipped, "", "4096 MiB of memory, and this one has 2048"},
		{"needs trees", []string{"needs: {trees: true}"}, check.Env{NoTrees: "the image is no ostree host"}, func(*guesttest.Fake) {}, reports.Skipped, "", "the image is no ostree host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guesttest.New(t)
			ready(g)
			c.guest(g)
			j, _ := judged(t, one(t, c.header...), g, c.env)
			if j.Outcome != c.outcome || j.Fault != c.fault || !strings.Contains(j.Message, c.says) {
				t.Errorf("%+v, want %s, fault %q, %q", j, c.outcome, c.fault, c.says)
			}
		})
	}
}

func TestReboot(t *testing.T) {
	asks := func(g *guesttest.Fake, mark string) { g.HasFile(inGuest+"/"+markFile, mark) }
	for _, c := range []struct {
		name    string
		header  []string
		guest   func(g *guesttest.Fake)
		outcome reports.Outcome
		fault   reports.Fault
		says    string
	}{
		{"goes on", nil, func(g *guesttest.Fake) {
			asks(g, "half way")
			ends(g).Prints("before\n").Dies("KILL").Then().Prints("after\n")
			g.OnReboot(nil)
		}, reports.Passed, "", ""},
		{"through runuser", nil, func(g *guesttest.Fake) {
			asks(g, "half way")
			ends(g).Prints("before\n").Exits(137).Then().Prints("after\n").Exits(77)
			g.OnReboot(nil)
		}, reports.Skipped, "", "after"},
		{"fails without a word", nil, func(g *guesttest.Fake) {
			asks(g, "half way")
			ends(g).Prints("before\nafter\n").Dies("KILL").Then().Exits(1)
			g.OnReboot(nil)
		}, reports.Failed, reports.FaultImage, "exit status 1, no output"},
		{"does not come back", nil, func(g *guesttest.Fake) {
			asks(g, "half way")
			ends(g).Prints("before\nafter\n").Dies("KILL")
			g.OnReboot(func() error { return &guest.TransportError{Guest: "fake", Op: "reboot", Err: guest.ErrRebootNotSeen} })
		}, reports.Errored, reports.FaultInfra, "did not go down"},
		{"in a loop", nil, func(g *guesttest.Fake) {
			asks(g, "half way")
			ends(g).Prints("before\nafter\n").Dies("KILL")
			g.OnReboot(nil)
		}, reports.Errored, reports.FaultTest, "more than 10 reboots"},
		{"of a shared guest", []string{"exclusive: false"}, func(g *guesttest.Fake) {
			asks(g, "half way")
			ends(g).Prints("before\nafter\n").Dies("KILL")
		}, reports.Errored, reports.FaultTest, "exclusive: false"},
		{"with an odd mark", nil, func(g *guesttest.Fake) {
			asks(g, "a\nb")
			ends(g).Prints("before\nafter\n").Dies("KILL")
		}, reports.Errored, reports.FaultTest, "no line of text"},
		{"with a long mark", nil, func(g *guesttest.Fake) {
			asks(g, strings.Repeat("x", 300))
			ends(g).Prints("before\nafter\n").Dies("KILL")
		}, reports.Errored, reports.FaultTest, "longer than 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guesttest.New(t)
			ready(g)
			c.guest(g)
			j, out := judged(t, one(t, c.header...), g, check.Env{})
			if j.Outcome != c.outcome || j.Fault != c.fault || !strings.Contains(j.Message, c.says) {
				t.Errorf("%+v, want %s, fault %q, %q", j, c.outcome, c.fault, c.says)
			}
			if c.outcome == reports.Passed && out != "before\n--- reboot; the check goes on with mark \"half way\" ---\nafter\n" {
				t.Errorf("the output is %q", out)
			}
			var marks []string
			for _, call := range g.Calls() {
				if call.Args[2] == startScript {
					marks = append(marks, call.Env["AUTOPKGTEST_REBOOT_MARK"])
				}
			}
			if marks[0] != "" || len(marks) > 1 && marks[1] != "half way" {
				t.Errorf("started with the marks %q", marks)
			}
		})
	}
}

// TestOwnReboot is for checks that announce a reboot and make it themselves.
func TestOwnReboot(t *testing.T) {
	lost := &guest.TransportError{Guest: "fake", Op: "run", Err: &guest.RestartedError{Was: "a", Is: "b"}}
	for _, c := range []struct {
		name    string
		header  []string
		first   func(p *guesttest.Plan) *guesttest.Plan
		mark    string
		outcome reports.Outcome
		fault   reports.Fault
		says    string
	}{
		{"the guest is lost", nil, func(p *guesttest.Plan) *guesttest.Plan { return p.Fails(lost) }, "m", reports.Skipped, "", "after"},
		{"the check is killed on the way down", nil, func(p *guesttest.Plan) *guesttest.Plan { return p.Dies("TERM") }, "m", reports.Skipped, "", "after"},
		{"the check ends first", nil, func(p *guesttest.Plan) *guesttest.Plan { return p.Prints("x\n") }, "m", reports.Skipped, "", "after"},
		{"not announced", nil, func(p *guesttest.Plan) *guesttest.Plan { return p.Fails(lost) }, "", reports.Errored, reports.FaultInfra, "restarted by itself"},
		{"announced badly", nil, func(p *guesttest.Plan) *guesttest.Plan { return p.Fails(lost) }, "a\tb", reports.Errored, reports.FaultTest, "no line of text"},
		{"in a shared guest, lost", []string{"exclusive: false"}, func(p *guesttest.Plan) *guesttest.Plan { return p.Fails(lost) }, "m", reports.Errored, reports.FaultInfra, "restarted by itself"},
		{"in a shared guest", []string{"exclusive: false"}, func(p *guesttest.Plan) *guesttest.Plan { return p.Prints("x\n") }, "m", reports.Errored, reports.FaultTest, "exclusive: false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guesttest.New(t)
			ready(g)
			g.OnReboot(nil)
			begun := 0
			g.On("sh", "-c", beginScript, guesttest.Rest).Does(func(guesttest.Call) (guest.Result, error) {
				if begun++; begun > 1 || c.mark == "" {
					g.LacksFile(inGuest + "/" + preparedFile) // as the script takes it away
				} else {
					g.HasFile(inGuest+"/"+preparedFile, c.mark)
				}
				return guest.Result{}, nil
			})
			c.first(ends(g)).Then().Prints("after\n").Exits(77)
			j, _ := judged(t, one(t, c.header...), g, check.Env{})
			if j.Outcome != c.outcome || j.Fault != c.fault || !strings.Contains(j.Message, c.says) {
				t.Errorf("%+v, want %s, fault %q, %q", j, c.outcome, c.fault, c.says)
			}
		})
	}
}

// TestRebootSpendsTheLimit is for a check whose reboots take all its time.
func TestRebootSpendsTheLimit(t *testing.T) {
	g := guesttest.New(t)
	ready(g)
	g.SetScale(1e-9)
	g.HasFile(inGuest+"/"+markFile, "m")
	ends(g).Dies("KILL")
	g.OnReboot(nil)
	if j, _ := judged(t, one(t), g, check.Env{}); j.Outcome != reports.Errored || j.Fault != reports.FaultInfra || !strings.Contains(j.Message, "longer than") {
		t.Errorf("%+v", j)
	}
}

func TestEnvironment(t *testing.T) {
	g := guesttest.New(t)
	ready(g)
	ends(g)
	env := check.Env{User: "assay", Accelerator: "tcg", MemoryMiB: 4096,
		Registry: check.Registry{Addr: "10.0.0.1:5000", Images: map[string]string{"http-d": "assay/httpd:1"}},
		Private:  &check.PrivateRegistry{Registry: check.Registry{Addr: "10.0.0.1:5443"}, CA: "pem", User: "u", Password: "p"},
		Packages: &check.Packages{URL: "http://10.0.0.1/", Key: "key"},
		Trees:    &check.Trees{URL: "http://10.0.0.1/repo", Ref: "r", Newer: check.Tree{Commit: "abc", Version: "2"}, Older: []check.Tree{{Commit: "old"}}}}
	c := one(t, "needs: {trees: true, memory: 4096}")
	if j, _ := judged(t, c, g, env); j.Outcome != reports.Passed {
		t.Fatalf("%+v", j)
	}
	calls := g.Calls()
	got := calls[len(calls)-1].Env
	for k, want := range map[string]string{"ASSAY_CHECK": "user/plain", "ASSAY_DIR": inGuest, "ASSAY_TMP": inGuest + "/tmp", "AUTOPKGTEST_TMP": inGuest + "/tmp",
		"ASSAY_USER": "assay", "ASSAY_REGISTRY": "10.0.0.1:5000", "ASSAY_IMAGE_HTTP_D": "10.0.0.1:5000/assay/httpd:1", "ASSAY_SCALE": "1", "ASSAY_ACCELERATOR": "tcg",
		"ASSAY_PRIVATE_REGISTRY": "10.0.0.1:5443", "ASSAY_PRIVATE_CA": "pem", "ASSAY_PRIVATE_USER": "u", "ASSAY_PRIVATE_PASSWORD": "p",
		"ASSAY_PACKAGES": "http://10.0.0.1/", "ASSAY_PACKAGES_KEY": "key", "ASSAY_TREES": "http://10.0.0.1/repo", "ASSAY_TREES_REF": "r",
		"ASSAY_TREE_NEWER": "abc", "ASSAY_TREE_NEWER_VERSION": "2", "ASSAY_TREE_OLDER_1": "old"} {
		if got[k] != want {
			t.Errorf("%s is %q, want %q", k, got[k], want)
		}
	}
	if _, ok := got["ASSAY_TREE_BOOTED"]; ok {
		t.Error("what there is not is set")
	}
}

func TestPack(t *testing.T) {
	c := one(t)
	f, err := os.Open(c.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := tar.NewReader(f)
	got := map[string]int64{}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
		}
		got[h.Name] = h.Mode
	}
	for name, mode := range map[string]int64{"plain.sh": 0o755, "data/": 0o755, "data/common": 0o644, "plain.d/": 0o755, "plain.d/tool": 0o755, rebootProgram: 0o755, prepareProgram: 0o755} {
		if got[name] != mode {
			t.Errorf("%s has mode %o, want %o", name, got[name], mode)
		}
	}
	if len(got) != 7 {
		t.Errorf("the bundle holds %v", got)
	}
	if err := os.Remove(filepath.Join(c.Folder, c.File)); err != nil {
		t.Fatal(err)
	}
	if err := c.Pack(filepath.Join(t.TempDir(), "b")); err == nil || !strings.Contains(err.Error(), "cannot pack the check "+c.Folder) {
		t.Errorf("a check that is gone: %v", err)
	}
	c.Bundle += "gone"
	if j, _ := judged(t, c, guesttest.New(t), check.Env{}); j.Fault != reports.FaultInfra {
		t.Errorf("a bundle that is gone: %+v", j)
	}
}

func TestOutputIsBounded(t *testing.T) {
	dir := t.TempDir()
	o, err := openOutput(dir, "user/x")
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1<<20-1) + "\n"
	for range 10 {
		if n, err := io.WriteString(o, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := io.WriteString(o, "the end\n"); err != nil {
		t.Fatal(err)
	}
	if o.lastLine() != "the end" || len(o.tail()) != tailLimit {
		t.Errorf("last line %q, %d bytes at hand", o.lastLine(), len(o.tail()))
	}
	o.close()
	b, err := os.ReadFile(filepath.Join(dir, "own-user-x.log"))
	if err != nil || len(b) > outputLimit+100 || !strings.Contains(string(b[len(b)-60:]), "more than 8 MiB is not kept") {
		t.Errorf("%d bytes kept, ending in %q; %v", len(b), b[max(0, len(b)-60):], err)
	}
	if _, err := openOutput(filepath.Join(dir, "gone"), "user/x"); err == nil {
		t.Error("a folder that is not there takes output")
	}
}

func TestOutputNames(t *testing.T) {
	seen := map[string]reports.CaseID{}
	for _, c := range []Check{{Name: "a"}, {Name: "s4-a"}, {Name: "a", Criterion: "S4"}, {Name: "a", Criterion: "s4-a"}, {Name: "a-a", Criterion: "s4"}, {Name: "s4-a-a"}} {
		name := OutputName(c.ID())
		if other, ok := seen[name]; ok || filepath.Base(name) != name {
			t.Errorf("%s of %s and %s", name, c.ID(), other)
		}
		seen[name] = c.ID()
	}
}
