package syscontainers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

const (
	registry = "192.168.127.1:5000"
	image    = registry + "/assay/system:1"
)

// greeter is a container of the simulated host.
type greeter struct {
	name, receiver, before string
	running                bool
	port                   int
}

// sim is a healthy host with system containers. Tests change its fields and
// add plans of their own, which go first.
type sim struct {
	*guesttest.Fake
	tool host.Tool
	all  map[string]*greeter
	// mute containers do not answer, stuck ones keep their first receiver.
	mute, stuck bool
	// early containers start with their install.
	early bool
}

// plan changes a simulated host.
type plan func(s *sim, env *check.Env)

// on is a guest with that tool and these changes.
func on(tool host.Tool, plans ...plan) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, env *check.Env) {
		s := &sim{Fake: g, tool: tool, all: map[string]*greeter{}}
		env.Registry.Images[system] = "assay/system:1"
		hosttest.PlanTools(g, tool, host.OSTree)
		g.On("sh", "-c", guesttest.Containing("registries.conf.d"), guesttest.Rest)
		g.On("sh", "-c", guesttest.Containing("firewall-cmd"), guesttest.Rest)
		g.On("sh", "-c", leftScript, guesttest.Rest)
		g.On("true")
		g.Logs()
		g.OnReboot(nil)
		for _, port := range []int{ports[tool], ports[tool] + 100} {
			g.OnDial(port, s.dial(port))
		}
		g.On("systemctl", "start", guesttest.Any).Does(func(c guesttest.Call) (guest.Result, error) {
			name := strings.TrimSuffix(c.Args[2], ".service")
			if s.all[name] == nil {
				return guest.Result{Exit: 5, Stderr: "Failed to start " + c.Args[2] + ": Unit " + c.Args[2] + " not found.\n"}, nil
			}
			s.all[name].running = true
			return guest.Result{}, nil
		})
		if tool == host.Atomic {
			s.atomic()
		} else {
			s.quadlet()
		}
		for _, p := range plans {
			p(s, env)
		}
	}
}

// dial answers as the running container at that port does.
func (s *sim) dial(port int) func() (io.ReadWriteCloser, error) {
	return func() (io.ReadWriteCloser, error) {
		for _, c := range s.all {
			if c.port == port && c.running && !s.mute {
				return answer("Hi " + c.receiver + "\n"), nil
			}
		}
		return nil, errors.New("connection refused")
	}
}

func answer(body string) io.ReadWriteCloser {
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
			_, _ = io.WriteString(there, "HTTP/1.0 200 OK\r\n\r\n"+body) // the client may be gone
		}
	}()
	return here
}

// setting is a setting's value among the arguments of atomic.
func setting(args []string, name string) string {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--set="+name+"="); ok {
			return v
		}
	}
	return ""
}

func option(args []string, name string) string {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
	}
	return ""
}

// reads is what a command in a container finds where the answer is.
func (s *sim) reads(name string) (guest.Result, error) {
	if g := s.all[name]; g != nil && g.running {
		return guest.Result{Stdout: "Hi " + g.receiver + "\n"}, nil
	}
	return guest.Result{Exit: 1, Stderr: "container " + name + " does not exist\n"}, nil
}

func (s *sim) atomic() {
	s.On("runc", "exec", guesttest.Any, "/bin/cat", page).Does(func(c guesttest.Call) (guest.Result, error) { return s.reads(c.Args[2]) })
	s.On("atomic", "pull", "--storage=ostree", "http:"+image).Prints("Pulling layer x\n")
	s.On("atomic", "pull", "--storage=ostree", guesttest.Containing(nobody)).Exits(1).Says("reading manifest 1: name unknown: Unknown name\n")
	s.On("atomic", "images", "list", guesttest.Rest).Prints(`[{"repo":"` + registry + `/assay/system","tag":"1","id":"abc","type":"system"}]`)
	s.On("atomic", "install", guesttest.Rest).Does(func(c guesttest.Call) (guest.Result, error) {
		if last := c.Args[len(c.Args)-1]; last != image {
			return guest.Result{Exit: 1, Stderr: "name unknown: Unknown name\n"}, nil
		}
		g := &greeter{name: option(c.Args, "--name"), receiver: setting(c.Args, "RECEIVER"), running: s.early}
		_, _ = fmt.Sscan(setting(c.Args, "PORT"), &g.port) // a port of 0 answers nobody
		s.all[g.name] = g
		s.checkout(g, option(c.Args, "--rootfs"), map[string]string{"DESTDIR": checkouts + g.name + ".0", "RUN_DIRECTORY": "/run", "STATE_DIRECTORY": setting(c.Args, "STATE_DIRECTORY")})
		return guest.Result{Stdout: "Extracting to " + checkouts + g.name + ".0\n"}, nil
	})
	s.On("atomic", "containers", "list", guesttest.Rest).Does(func(guesttest.Call) (guest.Result, error) {
		list := []any{}
		for _, g := range s.all {
			state := map[bool]string{true: "running", false: "inactive"}[g.running]
			list = append(list, map[string]any{"id": g.name, "image_name": image, "state": state, "running": g.running, "backend": "ostree", "runtime": "runc"})
		}
		b, err := json.Marshal(list)
		return guest.Result{Stdout: string(b)}, err
	})
	s.named("update", []string{"atomic", "containers", "update"}, func(g *greeter, args []string) { s.change(g, setting(args, "RECEIVER")) })
	s.named("rollback", []string{"atomic", "containers", "rollback"}, func(g *greeter, _ []string) { s.change(g, g.before) })
	s.named("uninstall", []string{"atomic", "uninstall"}, func(g *greeter, _ []string) { delete(s.all, g.name) })
}

// named plans a command of atomic whose last word is a container's name.
func (s *sim) named(_ string, words []string, do func(g *greeter, args []string)) {
	s.On(append(words, guesttest.Rest)...).Does(func(c guesttest.Call) (guest.Result, error) {
		name := c.Args[len(c.Args)-1]
		if s.all[name] == nil {
			return guest.Result{Exit: 1, Stderr: "Container '" + name + "' is not installed\n"}, nil
		}
		do(s.all[name], c.Args)
		return guest.Result{}, nil
	})
}

func (s *sim) change(g *greeter, receiver string) {
	if !s.stuck {
		g.before, g.receiver = g.receiver, receiver
	}
}

// checkout plans the files of an installed container.
func (s *sim) checkout(g *greeter, root string, values map[string]string) {
	if root == "" {
		root = "rootfs"
	} else {
		root += "/rootfs"
	}
	s.HasFile(checkouts+g.name+"/config.json", fmt.Sprintf(`{"process":{"env":["PATH=/bin","NAME=%s"]},"root":{"path":%q}}`, g.name, root))
	b, err := json.Marshal(map[string]any{"values": values, "created": 1})
	if err != nil {
		panic(err)
	}
	s.HasFile(checkouts+g.name+"/info", string(b))
}

const folder = "/etc/containers/systemd/"

var environment = regexp.MustCompile(`(?m)^Environment="?RECEIVER=([^"\n]*)`)

func (s *sim) quadlet() {
	name := containerName + "-quadlet"
	s.On("podman", "exec", name, "/bin/cat", page).Does(func(guesttest.Call) (guest.Result, error) { return s.reads(name) })
	s.On("podman", "pull", "--quiet", image)
	s.On("podman", "pull", "--quiet", guesttest.Containing(nobody)).Exits(125).Says("Error: initializing source: reading manifest 1: name unknown: Unknown name\n")
	s.On("podman", "images", guesttest.Rest).Prints(registry + "/assay/system\t1\tabc\tnow\t2MB\n")
	s.TakesFile(folder + "*")
	for _, n := range []string{name, nobody} {
		s.LacksFile(folder + n + ".container")
		s.LacksFile(folder + n + ".container.before")
	}
	s.On("mkdir", "-p", folder)
	s.On("systemctl", "daemon-reload").Does(func(guesttest.Call) (guest.Result, error) {
		text, ok := s.Written(folder + name + ".container")
		if _, err := s.ReadFile(context.Background(), folder+name+".container", 1<<20); !ok || err != nil {
			delete(s.all, name)
			return guest.Result{}, nil
		}
		if s.all[name] == nil {
			s.all[name] = &greeter{name: name, port: ports[host.Quadlet], running: s.early}
		}
		if m := environment.FindStringSubmatch(text); m != nil && (!s.stuck || s.all[name].receiver == "") {
			s.all[name].receiver = m[1]
		}
		return guest.Result{}, nil
	})
	s.On("systemctl", "cat", name+".service")
	s.On("systemctl", "restart", name+".service")
	s.On("systemctl", "stop", name+".service")
	s.On("rm", guesttest.Rest).Does(func(guesttest.Call) (guest.Result, error) {
		s.LacksFile(folder + name + ".container")
		s.LacksFile(folder + name + ".container.before")
		return guest.Result{}, nil
	})
	s.On("sh", "-c", guesttest.Containing("*.container"), "sh", folder).Does(func(guesttest.Call) (guest.Result, error) {
		g := s.all[name]
		if g == nil {
			return guest.Result{}, nil
		}
		state := map[bool]string{true: "active", false: "inactive"}[g.running]
		return guest.Result{Stdout: "Name=" + name + "\nImage=" + image + "\nLoadState=loaded\nActiveState=" + state + "\nSubState=" + map[bool]string{true: "running", false: "dead"}[g.running] + "\n\n"}, nil
	})
}

// Changes that tests make.

func mute(s *sim, _ *check.Env)      { s.mute = true; s.SetScale(1e-6) }
func impatient(s *sim, _ *check.Env) { s.SetScale(1e-6) }
func stuck(s *sim, _ *check.Env)     { s.stuck = true; s.SetScale(1e-6) }
func early(s *sim, _ *check.Env)     { s.early = true }

func prints(out string, args ...string) plan {
	return func(s *sim, _ *check.Env) { s.On(args...).Prints(out) }
}

func fails(said string, args ...string) plan {
	return func(s *sim, _ *check.Env) { s.On(args...).Exits(1).Says(said + "\n") }
}

func lost(args ...string) plan {
	return func(s *sim, _ *check.Env) {
		s.On(args...).Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("EOF")})
	}
}

// common are cases that every check has: no tool, no image.
func common(tool host.Tool) []suitetest.Case {
	return []suitetest.Case{
		{Name: "no tool", Want: reports.Skipped, Says: []string{"the image ships no "}, Guest: func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanTools(g, host.OSTree) }},
		{Name: "no image", Want: reports.Skipped, Says: []string{"serves no system container"}, Guest: on(tool, func(_ *sim, env *check.Env) { delete(env.Registry.Images, system) })},
	}
}

type (
	guestResult = guest.Result
	conn        = io.ReadWriteCloser
)
