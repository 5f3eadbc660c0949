package layering

import (
	"errors"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/suitetest"
)

// The commits of these tests.
var (
	baseSum  = hosttest.Sum('a')
	layerSum = hosttest.Sum('b')
	otherSum = hosttest.Sum('c')
)

// plan is a part of what a guest answers; later ones go before earlier ones.
type plan func(g *guesttest.Fake, env *check.Env)

// on puts a guest together: rpm-ostree, the packages and these plans.
func on(all ...plan) func(*guesttest.Fake, *check.Env) { return with(host.RPMOSTree, all...) }

func with(tool host.Tool, all ...plan) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, env *check.Env) {
		hosttest.PlanTools(g, tool, host.OSTree)
		env.Packages = served()
		hosttest.PlanPackages(g)
		g.On("sh", "-c", deployments.LockScript, "sh")
		g.OnReboot(nil)
		for _, p := range all {
			p(g, env)
		}
	}
}

func served() *check.Packages {
	names := map[string]string{"greeting-next": "reference-greeting", "service": "assay-httpd"}
	files := map[string]string{"greeting-next": "reference-greeting-2.0-1.noarch.rpm", hello: "assay-hello-1.0-1.noarch.rpm"}
	for _, p := range []string{hello, friend, settings, recommender, unsigned, conflicting, clashing, needy, failing} {
		names[p] = "assay-" + p
	}
	return &check.Packages{URL: "http://gw:8001/", UnsignedURL: "http://gw:8001/unsigned/", Key: "KEY\n", Names: names, Files: files,
		ServicePort: 8099, ServiceUnit: "assay-httpd.socket", ServiceAnswer: "assay-httpd is here\n"}
}

// base is the deployment that the image comes with; on has packages on top of it.
func base() host.Deployment {
	return host.Deployment{OSName: "os", Checksum: baseSum, Version: "1", Origin: "local:os"}
}

func onBase(names ...string) host.Deployment {
	d := base()
	d.BaseChecksum, d.Checksum = baseSum, layerSum
	d.Requested, d.Layered = names, names
	return d
}

func booted(d host.Deployment) host.Deployment { d.Booted = true; return d }
func staged(d host.Deployment) host.Deployment { d.Staged = true; return d }

// all is one status.
func all(d ...host.Deployment) []host.Deployment { return d }

// tells plans what status tells, one answer after the other.
func tells(t *testing.T, answers ...[]host.Deployment) plan {
	return toolTells(t, host.RPMOSTree, answers...)
}

func toolTells(t *testing.T, tool host.Tool, answers ...[]host.Deployment) plan {
	return func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanStatus(t, g, tool, answers...) }
}

// does plans that a command prints out; fails that it ends with exit and words.
func does(out string, args ...string) plan {
	return func(g *guesttest.Fake, _ *check.Env) { g.On(args...).Prints(out) }
}

func fails(exit int, said string, args ...string) plan {
	return func(g *guesttest.Fake, _ *check.Env) { g.On(args...).Exits(exit).Says(said) }
}

// turns plans the exits of a command one after the other.
func turns(args []string, exits ...int) plan {
	return func(g *guesttest.Fake, _ *check.Env) {
		p := g.On(args...)
		for i, e := range exits {
			if i > 0 {
				p.Then()
			}
			p.Exits(e).Prints("x-1.0-1.noarch\n")
		}
	}
}

func lost(args ...string) plan {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On(args...).Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("EOF")})
	}
}

func impatient(g *guesttest.Fake, _ *check.Env) { g.SetScale(1e-6) }

func q(name string) []string { return []string{"rpm", "-q", name} }

// TestKindOfHost: only a host that shows itself to be of another kind is
// excused from the whole criterion.
func TestKindOfHost(t *testing.T) {
	db := func(says string) plan {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", guesttest.Containing("rpmdb.sqlite"), guesttest.Rest).Prints(says)
		}
	}
	image := host.Deployment{Booted: true, Checksum: strings.Repeat("a", 64), OSName: "default", Image: &host.Image{Name: "registry.example/os:1"}}
	for _, c := range []struct {
		name  string
		tools []host.Tool
		plans []plan
		want  bool
	}{
		{"no packages", []host.Tool{host.OSTree}, []plan{db("")}, true},
		{"rpm-ostree without its program", []host.Tool{host.OSTree}, []plan{db("/etc/rpm-ostreed.conf\n")}, false},
		{"packages", []host.Tool{host.OSTree}, []plan{db("database /usr/share/rpm\n")}, false},
		{"follows a container image", []host.Tool{host.Bootc}, []plan{db("database /usr/share/rpm\n"), func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanStatus(t, g, host.Bootc, []host.Deployment{image}) }}, true},
		{"bootc fails", []host.Tool{host.Bootc}, []plan{fails(1, "no\n", "bootc", "status", "--json"), db("database /usr/share/rpm\n")}, false},
		{"follows an image, and has lost rpm-ostree", []host.Tool{host.Bootc}, []plan{db("the package rpm-ostree\ndatabase /usr/share/rpm\n")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, env := guesttest.New(t), suitetest.Env()
			hosttest.PlanTools(g, c.tools...)
			for _, p := range c.plans {
				p(g, &env)
			}
			_, err := begin(t.Context(), &check.T{Guest: g, Env: env, Log: t.Logf}, overriders)
			if j := check.Classify(err); j.Outcome != reports.Skipped || j.Inapplicable != c.want {
				t.Errorf("%+v", j)
			}
		})
	}
}

var (
	noTool = suitetest.Case{Name: "no tool", Want: reports.Skipped, Says: []string{"the image has no rpm-ostree"},
		Guest: func(g *guesttest.Fake, _ *check.Env) {
			hosttest.PlanTools(g, host.OSTree)
			g.On("sh", "-c", guesttest.Containing("rpmdb.sqlite"), guesttest.Rest).Prints("database /usr/share/rpm\n")
		}}
	noPackages = suitetest.Case{Name: "no packages", Want: reports.Skipped, Says: []string{"no packages are served"},
		Guest: on(func(_ *guesttest.Fake, env *check.Env) { env.Packages = nil })}
)
