package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/adapters"
	"assay/release/engine"
	"assay/reports"
)

func newStatusCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "status [STREAM...]",
		Short: "Show what is out, what comes next, and what waits for whom",
		Example: `  assay release status
  assay release status fedora-43 --json | jq -r '.[0].out.build'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return f.withPolicies(c, args, func(s *stage, policies []*release.Policy) error {
				known := adapters.Names(s.cfg)
				all := []streamStatus{}
				for _, p := range policies {
					all = append(all, standingOf(p, s.state, known, s.now()))
				}
				if f.json {
					return printJSON(c, all)
				}
				for i, st := range all {
					if i > 0 {
						fmt.Fprintln(c.OutOrStdout())
					}
					if err := st.text(c.OutOrStdout()); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	f.addTo(c)
	f.jsonTo(c)
	return c
}

// streamStatus is a stream's status with what is on its way.
type streamStatus struct {
	release.Status
	Decision string `json:"decision"`
	// Requests are promotions that people asked for and that are not met.
	Requests []requestStatus `json:"requests,omitempty"`
	// Waiting is what the world outside is owed.
	Waiting []waiting `json:"waiting,omitempty"`
	// Findings are damage of the history that nobody has acknowledged.
	Findings []release.Finding `json:"findings,omitempty"`
}

type requestStatus struct {
	Request string          `json:"request"`
	Build   release.BuildID `json:"build"`
	By      release.Actor   `json:"by"`
	At      time.Time       `json:"at"`
	Reason  string          `json:"reason"`
}

// waiting is an effect that has not happened.
type waiting struct {
	Key     release.EffectKey `json:"key"`
	Attempt int               `json:"attempt"`
	Due     time.Time         `json:"due,omitzero"`
	Error   string            `json:"error,omitempty"`
	// Unconfigured means that nothing will do it: there is no such adapter.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

func standingOf(p *release.Policy, st *release.State, known map[engine.Target]bool, now time.Time) streamStatus {
	out := streamStatus{Status: release.StatusOf(p, st, now), Decision: release.Decide(p, st, now).Text(), Findings: st.Findings()}
	for _, r := range st.Line(p.Stream).Promotions() {
		out.Requests = append(out.Requests, requestStatus{r.Request, r.Build, r.By, r.At, r.Reason})
	}
	for _, e := range release.Effects(p, st, now) {
		out.Waiting = append(out.Waiting, waiting{e.Key, e.Attempt, e.Due, e.LastError, !known[engine.Target{Kind: e.Kind, Name: e.Target}]})
	}
	return out
}

func (st streamStatus) text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, reports.Line(fmt.Sprintf(format, args...), 600))
	}
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
	fmt.Fprintf(w, "%s\n", st.Stream)
	switch {
	case st.Out == nil:
		row("out", "nothing")
	case st.Published:
		row("out", "%s, since %s", st.Out.Build, day(st.Out.At))
	default:
		row("out", "%s, decided %s, not yet published everywhere", st.Out.Build, day(st.Out.At))
	}
	if st.Next != nil {
		row("next date", "%s", day(st.Next.At))
	}
	row("now", "%s", st.Decision)
	for _, x := range st.Warnings {
		row("warning", "%s", x)
	}
	for _, f := range st.Findings {
		row("damage", "%s", f.Text)
	}
	for _, r := range st.Requests {
		row("asked for", "%s by %s: %s [%s]", r.Build, r.By, r.Reason, r.Request)
	}
	for _, b := range st.Bugs {
		row("bug", "%s %s %s", b.Subject, b.Ref, b.URL)
	}
	for _, x := range st.Waiting {
		switch {
		case x.Unconfigured:
			row("waits", "%s: no adapter is configured for it", x.Key)
		case x.Error != "":
			row("waits", "%s: attempt %d at %s; the last failed: %s", x.Key, x.Attempt, day(x.Due), x.Error)
		default:
			row("waits", "%s", x.Key)
		}
	}
	return w.Flush()
}
