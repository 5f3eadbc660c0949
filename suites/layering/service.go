package layering

import (
	"context"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "service", Title: "a layered service starts and answers over the network",
	State: check.Layered, Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute, Run: layeredService,
})

func layeredService(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, service)
	if err != nil {
		return err
	}
	if err := l.layered(ctx, service); err != nil {
		return err
	}
	r, err := t.Run(ctx, guest.Command{Args: []string{"systemctl", "enable", "--now", l.p.ServiceUnit}, Limit: time.Minute})
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.FailWith(probe.JournalTail(ctx, t, l.p.ServiceUnit, 30), "the unit %s of a layered package does not start: %s", l.p.ServiceUnit, probe.OneLine(r.Said()))
	}
	if err := probe.OpenPort(ctx, t, l.p.ServicePort); err != nil {
		return err
	}
	want := strings.TrimSpace(l.p.ServiceAnswer)
	last, ok, err := probe.AwaitAnswer(ctx, t, l.p.ServicePort, 30*time.Second, want)
	if err != nil || ok {
		return err
	}
	return check.FailWith(probe.JournalTail(ctx, t, l.p.ServiceUnit, 30), "the layered service %s runs and does not answer %q on port %d: %s",
		l.p.ServiceUnit, want, l.p.ServicePort, probe.OneLine(last))
}
