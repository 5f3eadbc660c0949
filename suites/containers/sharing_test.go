package containers

import (
	"errors"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// folders plans that folders are made below /var/lib and files written there.
func folders(g *guesttest.Fake) {
	g.On("sh", "-c", guesttest.Containing("mkdir -p"), "sh", anyArg)
	g.TakesFile("/var/lib/assay-*/*")
}

func TestVolume(t *testing.T) {
	good := func(g *guesttest.Fake) {
		folders(g)
		prints("host says hello\n", "run", "--rm", "-v", shared+":/data:z", rest)(g)
		g.HasFile(shared+"/from-container", "container says hello\n")
		prints("", "volume", rest)(g)
		prints("", "run", "--rm", "-v", "assay-volume:/data", rest)(g)
		prints("kept\n", "run", "--rm", "-v", "assay-volume:/data:ro", rest)(g)
	}
	suitetest.Run(t, "containers/volume", []suitetest.Case{
		passes(good),
		fails("not seen", `reads "" from a file of the host`, good, prints("", "run", "--rm", "-v", shared+":/data:z", rest)),
		fails("denied", "cannot run a container with a folder", good, exits(1, "cat: can't open: Permission denied\n", "run", "--rm", "-v", shared+":/data:z", rest)),
		fails("not written", "is not there", good, func(g *guesttest.Fake) { g.LacksFile(shared + "/from-container") }),
		fails("other content", `the host reads "x"`, good, func(g *guesttest.Fake) { g.HasFile(shared+"/from-container", "x") }),
		fails("volume", `a second container reads "kept\nwritten"`, good, prints("kept\nwritten\n", "run", "--rm", "-v", "assay-volume:/data:ro", rest)),
		no,
	})
}

func TestPublish(t *testing.T) {
	good := func(g *guesttest.Fake) {
		prints("id\n", "run", "-d", rest)(g)
		g.On("sh", "-c", fetchScript, "sh", anyArg).Exits(7).Says("refused\n").Then().Prints("<h1>ASSAY TEST PAGE</h1>\n")
	}
	suitetest.Run(t, "containers/publish", []suitetest.Case{
		passes(good),
		fails("no port", "cannot run a container with a published port: Error: netavark", good, exits(126, "Error: netavark: x\n", "run", "-d", rest)),
		fails("no answer", "port 18080 of the host does not show the page of a container that publishes it: refused", good, impatient,
			prints("", "logs", rest), func(g *guesttest.Fake) { g.On("sh", "-c", fetchScript, "sh", anyArg).Exits(7).Says("refused\n") }),
		{Name: "no program", Want: reports.Skipped, Guest: with(good, func(g *guesttest.Fake) { g.On("sh", "-c", fetchScript, "sh", anyArg).Exits(127) })},
		{Name: "guest gone", Want: reports.Errored, Fault: reports.FaultInfra, Guest: with(good, func(g *guesttest.Fake) {
			g.On("sh", "-c", fetchScript, "sh", anyArg).Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")})
		})},
		no,
	})
}

func TestCopy(t *testing.T) {
	good := func(g *guesttest.Fake) {
		folders(g)
		prints("id\n", "create", rest)(g)
		prints("", "cp", rest)(g)
		g.HasFile(copyFolder+"/out", "carried over")
	}
	suitetest.Run(t, "containers/copy", []suitetest.Case{
		passes(good),
		fails("lost", "left no file", good, func(g *guesttest.Fake) { g.LacksFile(copyFolder + "/out") }),
		fails("changed", `holds "x"`, good, func(g *guesttest.Fake) { g.HasFile(copyFolder+"/out", "x") }),
		fails("refused", "cannot copy a file into a container", good, exits(125, "Error: x\n", "cp", rest)),
		no,
	})
}

func TestBuild(t *testing.T) {
	good := func(g *guesttest.Fake) {
		folders(g)
		prints("", "build", "-t", builtImage, buildFolder)(g)
		prints("built here\nfine\n", "run", "--rm", builtImage)(g)
		prints("", "rmi", "-f", builtImage)(g)
	}
	suitetest.Run(t, "containers/build", []suitetest.Case{
		passes(good),
		fails("fails", "cannot build an image: Error: building at STEP", good, exits(1, "Error: building at STEP \"RUN id\": exit status 1\n", "build", rest)),
		fails("other content", `prints "built"`, good, prints("built\n", "run", "--rm", builtImage)),
		no,
	})
}

func TestPush(t *testing.T) {
	good := func(g *guesttest.Fake) {
		for _, w := range []string{"run", "commit", "tag", "push", "rmi", "pull"} {
			prints("", w, rest)(g)
		}
		g.On("podman", "run", "--rm", guesttest.Containing("192.168.127.1:5000/pushed/podman-0000"), "cat", "/changed").Prints("changed\n")
	}
	suitetest.Run(t, "containers/push", []suitetest.Case{
		passes(good),
		fails("commit", "cannot commit a container", good, exits(125, "Error: x\n", "commit", rest)),
		fails("push", "cannot push", good, exits(125, "Error: x\n", "push", rest)),
		fails("lost", `holds ""`, good, prints("", "run", "--rm", anyArg, "cat", "/changed")),
		no,
	})
}

func TestNetwork(t *testing.T) {
	const page = "<h1>ASSAY TEST PAGE</h1>\n"
	fetch := func(url string) []string { return append(append([]string{}, fetchFrom(httpdRef)...), url) }
	outside, inside := fetch("http://192.168.127.1:5000/v2/"), fetch("http://10.88.0.5:80/")
	good := func(g *guesttest.Fake) {
		prints("{}\n", outside...)(g)
		prints("id\n", "run", "-d", rest)(g)
		prints(" 10.88.0.5 \n", "inspect", rest)(g)
		prints(page, inside...)(g)
	}
	suitetest.Run(t, "containers/network", []suitetest.Case{
		passes(good),
		fails("no way out", "does not reach the network outside the host (http://192.168.127.1:5000/v2/): wget: bad", good, exits(1, "wget: bad\n", outside...)),
		fails("no address", "no address", good, prints("\n", "inspect", rest)),
		fails("not each other", "cannot reach one container from another", good, exits(143, "", inside...)),
		fails("another page", `gets "x"`, good, prints("x", inside...)),
		no,
	})
}

func TestRootless(t *testing.T) {
	const user = "uid=1000\nnewuidmap=1\nsubuid=assay:100000:65536\nrun=/run/user/1000\nhome=/var/home/assay\n"
	facts := func(out string) plans {
		return func(g *guesttest.Fake) { g.On("sh", "-c", rootlessScript, "sh", "assay").Prints(out) }
	}
	good := func(g *guesttest.Fake) {
		facts(user)(g)
		g.On("podman", "run", "--rm", rest).As("assay").Does(func(c guesttest.Call) (guest.Result, error) {
			if c.Env["XDG_RUNTIME_DIR"] != "/run/user/1000" {
				return guest.Result{Exit: 1}, nil
			}
			return guest.Result{Stdout: "0\n         0       1000          1\n         1     100000      65536\n"}, nil
		})
	}
	skip := func(name, out, why string) suitetest.Case {
		return suitetest.Case{Name: name, Want: reports.Skipped, Says: []string{why}, Guest: with(facts(out))}
	}
	suitetest.Run(t, "containers/rootless", []suitetest.Case{
		passes(good),
		skip("no newuidmap", "uid=1000\n", "newuidmap"), skip("no user", "nouser=1\n", "does not exist"),
		fails("no ids", "no subordinate user ids", facts(strings.ReplaceAll(user, "assay:100000:65536", ""))),
		fails("no session", "no /run/user/1000", facts("uid=1000\nnewuidmap=1\nsubuid=assay:1:2\n")),
		fails("does not run", "cannot run a container without root: Error: cannot set up namespace", good, exits(125, "Error: cannot set up namespace\n", "run", "--rm", rest)),
		fails("is root", "not that user outside", good, prints("0\n 0 0 4294967295\n", "run", "--rm", rest)),
		{Name: "no user in seed", Want: reports.Skipped, Guest: func(g *guesttest.Fake, e *check.Env) { with()(g, e); e.User = "" }},
		no,
	})
}
