package containers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
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
		g.SetScale(0.01)
		prints("id\n", "run", "-d", rest)(g)
		g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Exits(7).Says("refused\n").Then().Prints("<h1>ASSAY TEST PAGE</h1>\n")
	}
	suitetest.Run(t, "containers/publish", []suitetest.Case{
		passes(good),
		fails("no port", "cannot run a container with a published port: Error: netavark", good, exits(126, "Error: netavark: x\n", "run", "-d", rest)),
		fails("no answer", "port 18080 of the host does not show the page of a container that publishes it: refused", good, impatient,
			prints("", "logs", rest), func(g *guesttest.Fake) {
				g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Exits(7).Says("refused\n")
			}),
		{Name: "no program", Want: reports.Skipped, Guest: with(good, func(g *guesttest.Fake) { g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Exits(127) })},
		{Name: "guest gone", Want: reports.Errored, Fault: reports.FaultInfra, Guest: with(good, func(g *guesttest.Fake) {
			g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")})
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

func TestBuildServe(t *testing.T) {
	good := func(g *guesttest.Fake) {
		folders(g)
		prints("", "build", "-t", servedImage, serveFolder)(g)
		prints("id\n", "run", "-d", rest)(g)
		prints("", "rmi", "-f", servedImage)(g)
		g.On("sh", "-c", engine.FetchScript, "sh", "http://127.0.0.1:18083/", anyArg).Prints("<h1>ASSAY BUILT THIS PAGE</h1>\n")
	}
	suitetest.Run(t, "containers/build-serve", []suitetest.Case{
		passes(good),
		fails("fails", "cannot build a web server: Error: building", good, exits(1, "Error: building at STEP\n", "build", rest)),
		fails("old page", "does not show the page of a container that publishes it: <h1>ASSAY TEST PAGE", good, impatient, prints("", "logs", rest),
			func(g *guesttest.Fake) {
				g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Prints("<h1>ASSAY TEST PAGE</h1>\n")
			}),
		no,
	})
}

func TestPrivateRegistry(t *testing.T) {
	const addr, ref = "192.168.127.1:5443", "192.168.127.1:5443/assay/busybox:1"
	const unknown, denied = "Error: tls: failed to verify certificate: x509: certificate signed by unknown authority\n", "Error: logging in: invalid username/password\n"
	login := func(p string) []string { return []string{"podman", "login", "-u", "assay", "-p", p, addr} }
	served := func(all ...plans) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			e.Private = &check.PrivateRegistry{CA: "PEM", User: "assay", Password: "right",
				Registry: check.Registry{Addr: addr, Images: map[string]string{"busybox": "assay/busybox:1"}}}
			with(all...)(g, e)
		}
	}
	good := func(g *guesttest.Fake) {
		certs := g.On("sh", "-c", certsScript, "sh", addr)
		certs.Does(func(c guesttest.Call) (guest.Result, error) {
			if c.Stdin == "PEM" { // from now on the authority is known
				g.On(login("right")...).Prints("Login Succeeded!\n")
			}
			return guest.Result{}, nil
		})
		g.On(login("right")...).Exits(125).Says(unknown)
		g.On(login("not-right")...).Exits(125).Says(denied)
		g.On("podman", "pull", ref).Exits(125).Says("Error: unable to retrieve auth token: unauthorized\n").Then().Prints("sha256:x\n").Then().
			Exits(125).Says("Error: authentication required\n")
		for _, w := range []string{"run", "tag", "push", "logout", "rmi"} {
			prints("", w, rest)(g)
		}
	}
	bad := func(name, what string, more ...plans) suitetest.Case {
		return suitetest.Case{Name: name, Want: reports.Failed, Says: []string{"podman: ", what}, Guest: served(append([]plans{good}, more...)...)}
	}
	suitetest.Run(t, "containers/private-registry", []suitetest.Case{
		{Name: "works", Guest: served(good)},
		bad("unknown authority taken", "a login to a registry whose certificate nobody vouches for is called a success", func(g *guesttest.Fake) { g.On(login("right")...) }),
		bad("refused without a reason", "cannot tell why a login to a registry whose certificate", func(g *guesttest.Fake) { g.On(login("right")...).Exits(1).Says("Error: x\n") }),
		bad("wrong password taken", "a login with a wrong password is called a success", func(g *guesttest.Fake) { g.On(login("not-right")...) }),
		bad("pull without login", "a pull without a login is called a success", func(g *guesttest.Fake) { g.On("podman", "pull", ref) }),
		bad("push", "cannot push to a private registry: Error: x", exits(125, "Error: x\n", "push", rest)),
		bad("logout forgotten", "a pull after the logout is called a success", func(g *guesttest.Fake) {
			g.On("podman", "pull", ref).Exits(125).Says("Error: unauthorized\n").Then()
		}),
		bad("no place for certificates", "cannot be put below /etc: read-only", func(g *guesttest.Fake) { g.On("sh", "-c", certsScript, "sh", addr).Exits(1).Says("read-only\n") }),
		{Name: "registry is down", Want: reports.Errored, Fault: reports.FaultInfra, Guest: served(good, func(g *guesttest.Fake) {
			g.On(login("right")...).Exits(125).Says("Error: pinging container registry x: dial tcp x: connect: connection refused\n")
			g.On("sh", "-c", engine.FetchScript, rest).Exits(7)
		})},
		{Name: "none served", Want: reports.Skipped, Says: []string{"no private registry"}, Guest: with()},
		no,
	})
}

// TestRefusals is for what engines really say.
func TestRefusals(t *testing.T) {
	for said, want := range map[string][2]bool{ // untrusted, unauthorized
		`Error response from daemon: Get "https://10.0.0.1:5443/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`: {true, false},
		`Error response from daemon: Get https://10.0.0.1:5443/v2/: x509: certificate signed by unknown authority`:                                      {true, false},
		`Error response from daemon: login attempt to https://10.0.0.1:5443/v2/ failed with status: 401 Unauthorized`:                                   {false, true},
		`Error response from daemon: Head "https://10.0.0.1:5443/v2/assay/busybox/manifests/1": no basic auth credentials`:                              {false, true},
		`Error: logging into "10.0.0.1:5443": invalid username/password`:                                                                                {false, true},
		`Error: initializing source docker://x: unable to retrieve auth token: invalid username/password: unauthorized: this registry wants a login`:    {false, true},
		`Error: initializing source docker://x: reading manifest 1 in x: authentication required`:                                                       {false, true},
		`Error: authenticating creds for "x": pinging container registry x: Get "https://x/v2/": http: server gave HTTP response to HTTPS client`:       {false, false},
		`Error: authenticating creds for "x": pinging container registry x: Get "https://x/v2/": dial tcp 10.0.0.1:5443: connect: connection refused`:   {false, false},
	} {
		if got := [2]bool{untrusted.MatchString(said), unauthorized.MatchString(said)}; got != want {
			t.Errorf("%s: %v, want %v", said, got, want)
		}
	}
}

func TestCertsScript(t *testing.T) {
	// The script itself, in a folder of the test.
	etc := t.TempDir()
	script := strings.ReplaceAll(certsScript, "/etc/", etc+"/")
	for _, ca := range []string{"PEM", ""} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", "10.0.0.1:5443")
		cmd.Stdin = strings.NewReader(ca)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, of := range []string{"docker", "containers"} {
			b, err := os.ReadFile(filepath.Join(etc, of, "certs.d", "10.0.0.1:5443", "ca.crt"))
			if strings.TrimSpace(string(b)) != ca || (err == nil) != (ca != "") {
				t.Errorf("with %q, %s has %q, %v", ca, of, b, err)
			}
		}
	}
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
	fetch := func(url string) []string {
		return []string{"run", "--rm", httpdRef, "sh", "-c", guesttest.Containing("wget"), "sh", "30", url}
	}
	settings := func(s string) string { return `[{"NetworkSettings":` + s + `}]` }
	host := func(exit int) plans {
		return func(g *guesttest.Fake) {
			g.On("sh", "-c", engine.FetchScript, "sh", "http://192.168.127.1:5000/v2/", "60").Exits(exit)
		}
	}
	outside, inside := fetch("http://192.168.127.1:5000/v2/"), fetch("http://10.88.0.5:80/")
	good := func(g *guesttest.Fake) {
		prints("{}\n", outside...)(g)
		prints("id\n", "run", "-d", rest)(g)
		prints(settings(`{"IPAddress":"","Networks":{"podman":{"IPAddress":"10.88.0.5"}}}`)+"\n", "inspect", rest)(g)
		prints(page, inside...)(g)
	}
	suitetest.Run(t, "containers/network", []suitetest.Case{
		passes(good),
		fails("no way out", "does not reach the network outside the host (http://192.168.127.1:5000/v2/): wget: bad", good, host(0), exits(1, "wget: bad\n", outside...)),
		fails("no way out, and nothing to ask the host with", "does not reach the network outside the host", good, host(127), exits(1, "wget: bad\n", outside...)),
		{Name: "not from the host either", Want: reports.Errored, Fault: reports.FaultInfra, Guest: with(good, host(7), exits(1, "wget: bad\n", outside...))},
		{Name: "old podman", Guest: with(good, prints(settings(`{"IPAddress":"10.88.0.5","Networks":null}`), "inspect", rest))},
		fails("no address", "no address", good, prints(settings(`{"IPAddress":"","Networks":{}}`), "inspect", rest)),
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
	serve := func(g *guesttest.Fake) {
		facts(user)(g)
		g.On("podman", "run", "-d", rest).As("assay").Prints("id\n")
		g.On("sh", "-c", engine.FetchScript, "sh", "http://127.0.0.1:18084/", anyArg).Prints("<h1>ASSAY TEST PAGE</h1>\n")
	}
	suitetest.Run(t, "containers/rootless-serve", []suitetest.Case{
		passes(serve),
		fails("no network", "cannot run a web server without root: Error: could not find pasta", serve, exits(125, "Error: could not find pasta\n", "run", "-d", rest)),
		fails("no answer", "port 18084 of the host does not show", serve, impatient, prints("", "logs", rest),
			func(g *guesttest.Fake) {
				g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Exits(7).Says("refused\n")
			}),
		{Name: "no newuidmap", Want: reports.Skipped, Guest: with(facts("uid=1000\n"))}, no,
	})
	skip := func(name, out, why string) suitetest.Case {
		return suitetest.Case{Name: name, Want: reports.Skipped, Says: []string{why}, Guest: with(facts(out))}
	}
	suitetest.Run(t, "containers/rootless", []suitetest.Case{
		passes(good),
		fails("newuidmap lost", "newuidmap is missing although its package is installed", facts("uid=1000\nlost=1\n")),
		skip("no newuidmap", "uid=1000\n", "newuidmap"), skip("no user", "nouser=1\n", "does not exist"),
		fails("no ids", "no subordinate user ids", facts(strings.ReplaceAll(user, "assay:100000:65536", ""))),
		fails("no session", "no /run/user/1000", facts("uid=1000\nnewuidmap=1\nsubuid=assay:1:2\n")),
		fails("does not run", "cannot run a container without root: Error: cannot set up namespace", good, exits(125, "Error: cannot set up namespace\n", "run", "--rm", rest)),
		fails("is root", "not that user outside", good, prints("0\n 0 0 4294967295\n", "run", "--rm", rest)),
		{Name: "no user in seed", Want: reports.Skipped, Guest: func(g *guesttest.Fake, e *check.Env) { with()(g, e); e.User = "" }},
		no,
	})
}
