package check

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"

	"assay/harness/guest"
	"assay/reports"
)

// Event is what a run of checks says as it goes: one with Done false when a
// check begins, one with Done true when it has ended. One with a Reboot is not
// about a check.
type Event struct {
	ID reports.CaseID `json:"id,omitempty"`
	// Reboot tells that the guest is being rebooted on purpose, so that whoever
	// watches it knows a silence that is too long.
	Reboot  RebootPhase   `json:"reboot,omitempty"`
	Done    bool          `json:"done"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns,omitempty"`
	// The rest is set when Done.
	Outcome reports.Outcome `json:"outcome,omitempty"`
	Fault   reports.Fault   `json:"fault,omitempty"`
	Message string          `json:"message,omitempty"`
	Details string          `json:"details,omitempty"`
	// Inapplicable: see reports.Case.
	Inapplicable bool `json:"inapplicable,omitempty"`
	// Log is what the check wrote with T.Log.
	Log string `json:"log,omitempty"`
	// Commands are the commands of a failed check and what they said, as a
	// terminal would show them.
	Commands string `json:"commands,omitempty"`
}

// RebootPhase is where a reboot that a check asked for stands.
type RebootPhase string

// The phases. Each RebootBegins is followed by a RebootEnds, however it ended.
const (
	RebootBegins RebootPhase = "begins"
	RebootEnds   RebootPhase = "ends"
)

// tellingGuest tells of the reboots that checks ask for. It is used by pointer:
// suites remember what they found out by guest, in maps.
type tellingGuest struct {
	guest.Guest
	tell func(Event)
}

func (g *tellingGuest) Reboot(ctx context.Context) error {
	g.tell(Event{Reboot: RebootBegins, Started: time.Now()})
	err := g.Guest.Reboot(ctx)
	g.tell(Event{Reboot: RebootEnds, Started: time.Now()})
	return err
}

func (g *tellingGuest) AwaitReboot(ctx context.Context, was string) error {
	g.tell(Event{Reboot: RebootBegins, Started: time.Now()})
	err := g.Guest.AwaitReboot(ctx, was)
	g.tell(Event{Reboot: RebootEnds, Started: time.Now()})
	return err
}

func (g *tellingGuest) PowerCut(ctx context.Context) error {
	g.tell(Event{Reboot: RebootBegins, Started: time.Now()})
	err := g.Guest.PowerCut(ctx)
	g.tell(Event{Reboot: RebootEnds, Started: time.Now()})
	return err
}

// Runner runs checks in one guest, as Ginkgo specs.
type Runner struct {
	Guest guest.Guest
	Env   Env
	// Tell gets the events, one after the other.
	Tell func(Event)
}

// running is one check on its way through the Runner.
type running struct {
	Registered
	t      *T
	answer *Judgement // of Prepare
	mu     sync.Mutex
	text   strings.Builder
}

// log is T.Log: bounded, as all evidence is.
func (c *running) log(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text.Len() < reports.ExcerptLimit {
		fmt.Fprintf(&c.text, format+"\n", args...)
	}
}

// limited bounds ctx by the check's limit, scaled to the guest.
func (c *running) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := c.t.Scaled(c.Limit)
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("check %s took longer than %s", c.ID(), limit.Round(time.Second)))
}

// Declare declares the checks as Ginkgo specs, one container per suite, in the
// order given. Checks of State Rebooted are prepared, and the guest is
// rebooted, before any spec runs.
func (r *Runner) Declare(ctx context.Context, checks []Registered) {
	g := &tellingGuest{r.Guest, r.Tell}
	all := make([]*running, 0, len(checks))
	for _, reg := range checks {
		c := &running{Registered: reg}
		c.t = &T{Guest: g, Env: r.Env, Log: c.log}
		all = append(all, c)
	}
	reboot(ctx, g, all)
	for start := 0; start < len(all); {
		end := start
		for end < len(all) && all[end].Suite == all[start].Suite {
			end++
		}
		group := all[start:end]
		ginkgo.Describe(group[0].Suite.Name+": "+group[0].Suite.Title, func() {
			for _, c := range group {
				ginkgo.It(string(c.ID())+": "+c.Title, ginkgo.Label(c.Labels...), func(ctx ginkgo.SpecContext) { r.spec(ctx, c) })
			}
		})
		start = end
	}
}

// reboot prepares the checks that want a rebooted guest and reboots it once.
func reboot(ctx context.Context, g guest.Guest, all []*running) {
	var want []*running
	for _, c := range all {
		if c.State == Rebooted {
			want = append(want, c)
		}
	}
	if len(want) == 0 {
		return
	}
	ready := false
	for _, c := range want {
		ctx, cancel := c.limited(ctx)
		c.answer = c.DoPrepare(ctx, c.t)
		cancel()
		ready = ready || c.answer == nil
	}
	if !ready {
		return // nobody is left to look
	}
	err := g.Reboot(ctx)
	for _, c := range want {
		c.t.RebootErr = err
	}
}

// clip bounds what a check tells: an event must fit into a line, whatever a
// hostile guest printed.
func clip(s string) string { return s[max(0, len(s)-reports.DetailsLimit):] }

// spec runs one check inside a Ginkgo spec and hands the outcome to both sides.
func (r *Runner) spec(ctx context.Context, c *running) {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	e := Event{ID: c.ID(), Started: time.Now()}
	r.Tell(e)
	var j Judgement
	if c.answer != nil {
		j = *c.answer
	} else {
		j = c.Do(ctx, c.t)
	}
	if j.Outcome == reports.Errored && ctx.Err() != nil {
		j.Message = fmt.Sprintf("%v (%s)", context.Cause(ctx), j.Message)
	}
	c.mu.Lock()
	e.Log = c.text.String()
	c.mu.Unlock()
	j.Message, j.Details = reports.Line(j.Message, reports.MessageLimit), clip(j.Details)
	e.Done, e.Took = true, time.Since(e.Started)
	e.Outcome, e.Fault, e.Message, e.Details = j.Outcome, j.Fault, j.Message, j.Details
	e.Inapplicable = j.Inapplicable
	r.Tell(e)

	switch j.Outcome {
	case reports.Passed:
	case reports.Skipped:
		ginkgo.Skip(j.Message)
	default:
		ginkgo.Fail(string(j.Fault) + ": " + j.Message)
	}
}
