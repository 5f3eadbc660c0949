package check

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"

	"assay/reports"
)

// Event is what a run of checks says as it goes: one with Done false when a
// check begins, one with Done true when it has ended.
type Event struct {
	ID      reports.CaseID `json:"id"`
	Done    bool           `json:"done"`
	Started time.Time      `json:"started"`
	Took    time.Duration  `json:"took_ns,omitempty"`
	// The rest is set when Done.
	Outcome reports.Outcome `json:"outcome,omitempty"`
	Fault   reports.Fault   `json:"fault,omitempty"`
	Message string          `json:"message,omitempty"`
	Details string          `json:"details,omitempty"`
	// Log is what the check wrote with T.Log.
	Log string `json:"log,omitempty"`
	// Commands are the commands of a failed check and what they said, as a
	// terminal would show them.
	Commands string `json:"commands,omitempty"`
}

// Specs declares the checks as Ginkgo specs, one container per suite, in the
// order given. newT makes what a check holds, with the log function it must
// use; tell gets the events, one after the other.
func Specs(checks []Registered, newT func(r Registered, log func(string, ...any)) *T, tell func(Event)) {
	for start := 0; start < len(checks); {
		end := start
		for end < len(checks) && checks[end].Suite == checks[start].Suite {
			end++
		}
		group := checks[start:end]
		ginkgo.Describe(group[0].Suite.Name+": "+group[0].Suite.Title, func() {
			for _, r := range group {
				ginkgo.It(string(r.ID())+": "+r.Title, ginkgo.Label(r.Labels...),
					func(ctx ginkgo.SpecContext) { spec(ctx, r, newT, tell) })
			}
		})
		start = end
	}
}

// spec runs one check inside a Ginkgo spec and hands the outcome to both sides.
func spec(ctx context.Context, r Registered, newT func(Registered, func(string, ...any)) *T, tell func(Event)) {
	var mu sync.Mutex
	var text strings.Builder
	log := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if text.Len() < reports.ExcerptLimit {
			fmt.Fprintf(&text, format+"\n", args...)
		}
	}
	t := newT(r, log)
	limit := time.Duration(float64(r.Limit) * t.Scale())
	ctx, cancel := context.WithTimeoutCause(ctx, limit,
		fmt.Errorf("check %s took longer than %s", r.ID(), limit.Round(time.Second)))
	defer cancel()

	e := Event{ID: r.ID(), Started: time.Now()}
	tell(e)
	j := r.Do(ctx, t)
	if j.Outcome == reports.Errored && ctx.Err() != nil {
		j.Message = fmt.Sprintf("%v (%s)", context.Cause(ctx), j.Message)
	}
	mu.Lock()
	e.Log = text.String()
	mu.Unlock()
	e.Done, e.Took = true, time.Since(e.Started)
	e.Outcome, e.Fault, e.Message, e.Details = j.Outcome, j.Fault, j.Message, j.Details
	tell(e)

	switch j.Outcome {
	case reports.Passed:
	case reports.Skipped:
		ginkgo.Skip(j.Message)
	default:
		ginkgo.Fail(string(j.Fault) + ": " + j.Message)
	}
}
