package containers

import (
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

const (
	busyboxRef = "192.168.127.1:5000/assay/busybox:1"
	httpdRef   = "192.168.127.1:5000/assay/httpd:1"
)

// plans is what a guest's engine answers, over and above its images.
type plans func(g *guesttest.Fake)

// with is a guest with podman, whose images are in, and these answers; later
// ones go before earlier ones.
func with(all ...plans) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On("sh", "-c", engine.DetectScript, "sh").Prints("podman\n")
		g.On("podman", "image", "inspect", "--format", "{{.Id}}", guesttest.Any).Prints("sha256:x\n")
		g.On("podman", "rm", "-f", guesttest.Rest)
		for _, p := range all {
			p(g)
		}
	}
}

// prints plans that podman with these arguments prints out.
func prints(out string, args ...string) plans {
	return func(g *guesttest.Fake) { g.On(append([]string{"podman"}, args...)...).Prints(out) }
}

// exits plans that podman with these arguments fails.
func exits(status int, said string, args ...string) plans {
	return func(g *guesttest.Fake) { g.On(append([]string{"podman"}, args...)...).Exits(status).Says(said) }
}

// no is an image without any engine.
var no = suitetest.Case{Name: "no engine", Want: reports.Skipped, Says: []string{"no container engine"},
	Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", engine.DetectScript, "sh") }}

// fails is a case whose message says what.
func fails(name string, what string, all ...plans) suitetest.Case {
	return suitetest.Case{Name: name, Want: reports.Failed, Says: []string{"podman: ", what}, Guest: with(all...)}
}

func passes(all ...plans) suitetest.Case { return suitetest.Case{Name: "works", Guest: with(all...)} }

// impatient makes a guest so fast that what is waited for is late at once.
func impatient(g *guesttest.Fake) { g.SetScale(1e-3) }

// any and rest keep the tables readable.
const (
	anyArg = guesttest.Any
	rest   = guesttest.Rest
)
