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

func TestPullFailures(t *testing.T) {
	for said, want := range map[string]reports.Fault{
		`Error: initializing source docker://x: pinging container registry x: Get "http://x/v2/": dial tcp 1.2.3.4:5000: connect: connection refused`: reports.FaultInfra,
		"Error: open /etc/containers/policy.json: no such file or directory":                                                                          reports.FaultImage,
	} {
		ct, g := newT(t, "")
		g.On("podman", "pull", guesttest.Rest).Exits(125).Says("Trying to pull x\n" + said + "\nlast line\n")
		j := check.Classify(Engine{Name: Podman, t: ct}.Pull(context.Background(), "x"))
		if j.Fault != want {
			t.Errorf("%q is %+v, want %s", said, j, want)
		}
		if want == reports.FaultImage && !strings.Contains(j.Message, "cannot pull x: Error: open /etc/containers/policy.json") {
			t.Errorf("message %q", j.Message)
		}
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
