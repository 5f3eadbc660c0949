package syscontainers

import (
	"context"
	"errors"
	"strconv"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

// box is one system container of one guest, by one of its tools.
type box struct {
	t *check.T
	c host.SystemContainers
	// image is its full reference, name its name and port where it answers.
	image, name string
	port        int
}

// tools are the ways to run system containers, and a port of each of them.
var (
	tools = []host.Tool{host.Atomic, host.Quadlet}
	ports = map[host.Tool]int{host.Atomic: 8091, host.Quadlet: 8092}
)

// containerName is the name of the container in every check.
const containerName = "assay-greeter"

// with is the guest's container by one tool, a skip where the guest lacks the
// tool or the harness serves no image.
func with(ctx context.Context, t *check.T, tool host.Tool) (*box, error) {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return nil, err
	}
	b := &box{t: t, name: containerName + "-" + string(tool), port: ports[tool]}
	for _, c := range found.Containers {
		if c.Tool() == tool {
			b.c = c
		}
	}
	r := t.Env.Registry
	switch {
	case b.c == nil && tool == host.Atomic:
		return nil, check.Skipf("the image ships no atomic with an OCI runtime")
	case b.c == nil:
		return nil, check.Skipf("the image ships no podman with Quadlet")
	case r.Addr == "" || r.Images[system] == "":
		return nil, check.Skipf("the harness serves no system container")
	}
	b.image = r.Addr + "/" + r.Images[system]
	return b, host.TrustRegistry(ctx, t, r.Addr)
}

// perTool is the check c once for each way to run system containers: "install"
// becomes "atomic-install" and "quadlet-install".
func perTool(c check.Check, run func(ctx context.Context, b *box) error, among ...host.Tool) (all []check.Check) {
	if len(among) == 0 {
		among = tools
	}
	for _, tool := range among {
		one := c
		one.Name, one.Title = string(tool)+"-"+c.Name, string(tool)+": "+c.Title
		one.Run = func(ctx context.Context, t *check.T) error {
			b, err := with(ctx, t, tool)
			if err != nil {
				return err
			}
			return deployments.Judge(run(ctx, b))
		}
		all = append(all, one)
	}
	return all
}

// options are those of an install with a receiver of the greeting.
func (b *box) options(receiver string) host.ContainerOptions {
	port := strconv.Itoa(b.port)
	o := host.ContainerOptions{Name: b.name, Image: b.image, Set: map[string]string{"PORT": port, "RECEIVER": receiver}}
	if b.c.Tool() == host.Quadlet {
		// Its container has a network of its own.
		o.Publish = []string{port + ":" + port}
	}
	return o
}

// pull fetches an image from the harness's registry, which speaks plain HTTP.
func (b *box) pull(ctx context.Context, image string) error {
	_, err := b.c.Pull(ctx, b.plain(image))
	return err
}

// plain is the image as the tool is told that its registry speaks plain HTTP:
// atomic by the name, as the skopeo of its time reads no registries.conf.d.
func (b *box) plain(image string) string {
	if b.c.Tool() == host.Atomic {
		return "http:" + image
	}
	return image
}

// install pulls the image and makes a unit of it.
func (b *box) install(ctx context.Context, o host.ContainerOptions) error {
	if err := b.pull(ctx, o.Image); err != nil {
		return err
	}
	return b.installPulled(ctx, o)
}

func (b *box) installPulled(ctx context.Context, o host.ContainerOptions) error {
	out, err := b.c.Install(ctx, o)
	if err == nil && !out.Changed {
		err = check.FailWith(out.Output, "%s installs nothing when it is to install %s as %s", b.c.Tool(), o.Image, o.Name)
	}
	return err
}

// run installs the container, starts it and waits for its greeting.
func (b *box) run(ctx context.Context, receiver string) error {
	if err := b.install(ctx, b.options(receiver)); err != nil {
		return err
	}
	if _, err := b.c.Start(ctx, b.name); err != nil {
		return b.journal(ctx, err)
	}
	return b.greets(ctx, receiver, "after its start")
}

// journal adds what the unit said to the failure to start it.
func (b *box) journal(ctx context.Context, err error) error {
	var refused *host.RefusedError
	if !errors.As(err, &refused) {
		return err
	}
	return check.FailWith(probe.JournalTail(ctx, b.t, b.unit(), 40), "%s is installed and does not start: %s", b.unit(), probe.OneLine(refused.Said()))
}

func (b *box) unit() string { return b.name + ".service" }

// startLimit is for a container to answer after its start, on a KVM host.
const startLimit = 30 * time.Second

// greets judges that the container runs and answers with its setting.
func (b *box) greets(ctx context.Context, receiver, when string) error {
	if err := probe.OpenPort(ctx, b.t, b.port); err != nil {
		return err
	}
	want := "Hi " + receiver
	last, ok, err := probe.AwaitAnswer(ctx, b.t, b.port, startLimit, want+"\n")
	if err != nil {
		return err
	}
	if !ok {
		return check.FailWith(probe.JournalTail(ctx, b.t, b.unit(), 40), "%s %s does not answer %q on port %d: %s", when, b.unit(), want, b.port, probe.OneLine(last))
	}
	s, err := b.c.Status(ctx, b.name)
	if err != nil {
		return err
	}
	if !s.Running {
		return check.Failf("%s %s answers, and %s tells that it is %q, not running", when, b.unit(), b.c.Tool(), s.State)
	}
	return nil
}

// silent judges that nobody answers on the container's port.
func (b *box) silent(ctx context.Context, when string) error {
	last, ok, err := probe.AwaitAnswer(ctx, b.t, b.port, 0, "Hi ")
	if err != nil {
		return err
	}
	if ok {
		return check.Failf("%s port %d answers %q", when, b.port, probe.OneLine(last))
	}
	return nil
}
