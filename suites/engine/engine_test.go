package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func newT(t *testing.T, engines string) (*check.T, *guesttest.Fake) {
	g := guesttest.New(t)
	g.On("sh", "-c", DetectScript, "sh").Prints(engines).Times(1)
	return &check.T{Guest: g, Env: suitetest.Env(), Log: t.Logf}, g
}

func TestEach(t *testing.T) {
	ctx := context.Background()
	lost := &guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")}
	for _, c := range []struct {
		name, engines string
		podman        error
		docker        error
		want          reports.Outcome
		says          string
	}{
		{"none", "", nil, nil, reports.Skipped, "no container engine"},
		{"both pass", "podman\ndocker\n", nil, nil, reports.Passed, ""},
		{"one skips", "podman\ndocker\n", check.Skipf("no"), nil, reports.Passed, ""},
		{"all skip", "podman\ndocker\n", check.Skipf("no"), check.Skipf("not"), reports.Skipped, "podman: no; docker: not"},
		{"second fails", "podman\ndocker\n", nil, check.Failf("broken"), reports.Failed, "docker: broken"},
		{"unreachable", "podman\ndocker\n", lost, check.Failf("broken"), reports.Errored, "gone"},
	} {
		ct, _ := newT(t, c.engines)
		for range 2 { // the second time it is remembered
			j := check.Classify(Each(ctx, ct, func(_ context.Context, e Engine) error {
				return map[Name]error{Podman: c.podman, Docker: c.docker}[e.Name]
			}))
			if j.Outcome != c.want || !strings.Contains(j.Message, c.says) {
				t.Errorf("%s: %+v", c.name, j)
			}
		}
	}
}

func TestImageIsPulledOnce(t *testing.T) {
	ctx := context.Background()
	ct, g := newT(t, "podman\n")
	const ref = "192.168.127.1:5000/assay/busybox:1"
	inspect := g.On("podman", "image", "inspect", guesttest.Rest).Exits(1)
	pull := g.On("podman", "pull", "--tls-verify=false", "-q", ref)
	for range 2 {
		if err := Each(ctx, ct, func(ctx context.Context, e Engine) error {
			got, err := e.Image(ctx, "busybox")
			if got != ref {
				t.Errorf("reference %q", got)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if inspect.Used() != 1 || pull.Used() != 1 {
		t.Errorf("inspected %d times, pulled %d times; want once", inspect.Used(), pull.Used())
	}
	e := Engine{Name: Podman, t: ct}
	if _, err := e.Ref("nothing"); check.Classify(err).Outcome != reports.Skipped {
		t.Errorf("an image that is not served: %v", err)
	}
	ct.Env.Registry.Addr = ""
	if _, err := e.Ref("busybox"); check.Classify(err).Outcome != reports.Skipped {
		t.Errorf("no registry: %v", err)
	}
}

// TestPullFailures: a registry that the host itself does not reach is the
// infrastructure's; one that only the engine does not is the image's, unless an
// emulated guest was too slow for it.
func TestPullFailures(t *testing.T) {
	const (
		refused = `Error: initializing source docker://x: pinging container registry x: Get "http://x/v2/": dial tcp 1.2.3.4:5000: connect: connection refused`
		late    = `Error response from daemon: Get "http://x/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`
		policy  = "Error: open /etc/containers/policy.json: no such file or directory"
	)
	for _, c := range []struct {
		said  string
		host  int // exit status of the host's own question
		scale float64
		asked int
		want  reports.Fault
	}{
		{refused, 7, 1, 2, reports.FaultInfra},
		{refused, 127, 1, 2, reports.FaultInfra}, // nothing to ask with
		{refused, 0, 1, 2, reports.FaultImage},
		{refused, 0, 10, 2, reports.FaultImage},
		{late, 0, 1, 2, reports.FaultImage},
		{late, 0, 10, 2, reports.FaultInfra},
		{policy, 7, 1, 1, reports.FaultImage},
	} {
		ct, g := newT(t, "")
		g.SetScale(c.scale)
		g.On("sh", "-c", FetchScript, guesttest.Rest).Exits(c.host)
		pull := g.On("podman", "pull", guesttest.Rest).Exits(125).Says("Trying to pull x\n" + c.said + "\nlast line\n")
		j := check.Classify(Engine{Name: Podman, t: ct}.Pull(context.Background(), "x"))
		if j.Fault != c.want || pull.Used() != c.asked {
			t.Errorf("%+v: asked %d times, %+v", c, pull.Used(), j)
		}
		if c.said == policy && !strings.Contains(j.Message, "cannot pull x: Error: open /etc/containers/policy.json") {
			t.Errorf("message %q", j.Message)
		}
	}
}

// TestFailedElsewhere: what does not speak with the registry fails by itself,
// whatever its words are.
func TestFailedElsewhere(t *testing.T) {
	ct, _ := newT(t, "")
	e := Engine{Name: Podman, t: ct}
	r := guest.Result{Exit: 1, Stderr: "Error: timed out waiting for file /run/x/exits"}
	if j := check.Classify(e.Failed(t.Context(), "stop a container", []string{"stop", "x"}, r)); j.Fault != reports.FaultImage {
		t.Errorf("%+v", j)
	}
}

// TestDockerByFlag: what the image gives the daemon by a flag is no fault, and
// docker runs afterwards as it did before.
func TestDockerByFlag(t *testing.T) {
	ct, g := newT(t, "")
	const own = `{"debug": true}`
	g.HasFile(daemonFile, own)
	g.TakesFile(daemonFile)
	g.On("systemctl", "reload-or-try-restart", "docker.service")
	g.On("systemctl", "reset-failed", "docker.service")
	g.On("systemctl", "restart", "docker.service").Exits(1).Says("Job for docker.service failed\n").Then().Exits(0)
	g.Logs(guest.Entry{Unit: "docker.service", Ident: "dockerd", Message: "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are specified both as a flag and in the configuration file: insecure-registries"})
	g.On("docker", "info", "--format", "{{json .RegistryConfig}}").Prints(`{}`)
	g.SetScale(0.01)
	j := check.Classify(Engine{Name: Docker, t: ct}.Pull(t.Context(), "x"))
	if j.Outcome != reports.Skipped || !strings.Contains(j.Message, "insecure-registries by a flag") {
		t.Errorf("%+v", j)
	}
	if text, _ := g.Written(daemonFile); text != own {
		t.Errorf("docker's configuration is left as %q", text)
	}
}

func TestDockerTrustsTheRegistry(t *testing.T) {
	ct, g := newT(t, "")
	g.HasFile(daemonFile, `{"live-restore": true, "insecure-registries": ["10.0.0.1:5000"]}`)
	g.TakesFile(daemonFile)
	reload := g.On("systemctl", "reload-or-try-restart", "docker.service")
	g.On("docker", "info", "--format", "{{json .RegistryConfig}}").Prints(`{"IndexConfigs":{"192.168.127.1:5000":{"Secure":false}}}`)
	g.On("docker", "pull", "x")
	e := Engine{Name: Docker, t: ct}
	for range 2 {
		if err := e.Pull(context.Background(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := g.Written(daemonFile)
	for _, want := range []string{"live-restore", "10.0.0.1:5000", "192.168.127.1:5000"} {
		if !strings.Contains(text, want) {
			t.Errorf("daemon.json lacks %q: %s", want, text)
		}
	}
	if reload.Used() != 1 {
		t.Errorf("reloaded %d times, want once", reload.Used())
	}
	g.HasFile(daemonFile, "{broken")
	if j := check.Classify(e.Pull(context.Background(), "x")); j.Outcome != reports.Failed || !strings.Contains(j.Message, "no JSON") {
		t.Errorf("a broken daemon.json: %+v", j)
	}
	g.LacksFile(daemonFile)
	g.On("mkdir", "-p", "/etc/docker")
	if err := e.Pull(context.Background(), "x"); err != nil {
		t.Errorf("without a daemon.json: %v", err)
	}
}

func TestDockerThatDoesNotReload(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name     string
		restart  int
		restarts string // what it says of registries then
		want     reports.Outcome
		says     string
	}{
		{"restarted", 0, `{"IndexConfigs":{"192.168.127.1:5000":{}}}`, reports.Passed, ""},
		{"in vain", 0, "{}", reports.Failed, "does not take up"},
		{"does not start", 1, "{}", reports.Failed, "docker does not start with 192.168.127.1:5000"},
	} {
		ct, g := newT(t, "")
		g.SetScale(1e-6)
		g.LacksFile(daemonFile)
		g.On("mkdir", "-p", "/etc/docker")
		g.TakesFile(daemonFile)
		g.Logs()
		g.On("systemctl", "reload-or-try-restart", "docker.service")
		g.On("docker", "info", guesttest.Rest).Prints(`{"IndexConfigs":{}}`)
		g.On("systemctl", "restart", "docker.service").Does(func(guesttest.Call) (guest.Result, error) {
			g.On("docker", "info", guesttest.Rest).Prints(c.restarts)
			return guest.Result{Exit: c.restart, Stderr: "Job failed"}, nil
		})
		if j := check.Classify(Engine{Name: Docker, t: ct}.trust(ctx)); j.Outcome != c.want || !strings.Contains(j.Message, c.says) {
			t.Errorf("%s: %+v", c.name, j)
		}
	}
}

func TestRestarted(t *testing.T) {
	ct, g := newT(t, "")
	g.HasFile(daemonFile, `{"debug": true}`)
	g.TakesFile(daemonFile)
	g.Logs()
	g.On("systemctl", "restart", "docker.service").Then().Exits(1).Says("Job for docker.service failed\n")
	e := Engine{Name: Docker, t: ct}
	if err := e.Restarted(context.Background(), "live-restore", true); err != nil {
		t.Fatal(err)
	}
	if text, _ := g.Written(daemonFile); !strings.Contains(text, `"live-restore": true`) || !strings.Contains(text, "debug") {
		t.Errorf("daemon.json is %s", text)
	}
	if j := check.Classify(e.Restarted(context.Background(), "x", 1)); j.Outcome != reports.Failed || !strings.Contains(j.Message, "docker does not start with x 1: Job for docker.service failed") {
		t.Errorf("%+v", j)
	}
}

func TestPrivate(t *testing.T) {
	ct, _ := newT(t, "")
	e := Engine{Name: Podman, t: ct}
	if _, err := e.Private("busybox"); check.Classify(err).Outcome != reports.Skipped {
		t.Errorf("no private registry: %v", err)
	}
	ct.Env.Private = &check.PrivateRegistry{Registry: check.Registry{Addr: "10.0.0.1:5443", Images: map[string]string{"busybox": "assay/busybox:1"}}}
	if ref, err := e.Private("busybox"); err != nil || ref != "10.0.0.1:5443/assay/busybox:1" {
		t.Errorf("%q, %v", ref, err)
	}
	if _, err := e.Private("nothing"); check.Classify(err).Outcome != reports.Skipped {
		t.Errorf("an image that is not served: %v", err)
	}
}

func TestWaitFor(t *testing.T) {
	ct, _ := newT(t, "")
	e := Engine{Name: Podman, t: ct}
	n := 0
	if err := e.WaitFor(context.Background(), 10*time.Second, func(context.Context) (bool, error) { n++; return n == 2, nil }); err != nil || n != 2 {
		t.Errorf("%v after %d questions", err, n)
	}
	err := e.WaitFor(context.Background(), 10*time.Millisecond, func(context.Context) (bool, error) { return false, nil })
	if !errors.Is(err, ErrNotInTime) {
		t.Errorf("never: %v", err)
	}
	broken := errors.New("broken")
	if err := e.WaitFor(context.Background(), time.Minute, func(context.Context) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("broken: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.WaitFor(ctx, time.Minute, func(context.Context) (bool, error) { return false, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRemoveIsQuiet(t *testing.T) {
	ct, g := newT(t, "")
	g.On("podman", "rm", "-f", "x").Fails(errors.New("gone")).Then().Exits(1)
	e := Engine{Name: Podman, t: ct}
	e.Remove(context.Background(), "x")
	e.Remove(context.Background(), "x")
}
