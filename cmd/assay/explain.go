package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/policy"
	"assay/reports"
)

// view is what a question is about: the state and the policies at a time.
type view struct {
	state *release.State
	now   time.Time
	// policy is what a stream's policy was.
	policy func(*release.Policy) (*release.Policy, error)
}

// asOf is the view now, or at a time.
func (s *stage) asOf(c *cobra.Command, at string) (view, error) {
	if at == "" {
		return view{s.state, s.now(), func(p *release.Policy) (*release.Policy, error) { return p, nil }}, nil
	}
	t, err := parseMoment(at, time.Time{})
	if err != nil {
		return view{}, usagef("--at: %w", err)
	}
	st := release.NewStateAsOf(t)
	if err := st.CatchUp(c.Context(), s.log); err != nil {
		return view{}, err
	}
	return view{st, t, func(p *release.Policy) (*release.Policy, error) {
		return policyThen(c.Context(), s.log, st, p, t, s.now())
	}}, nil
}

// policyThen is the policy that was in force at t, in the state as of then. It is
// the present one where the history has none, and for times to come.
func policyThen(ctx context.Context, log release.Log, st *release.State, p *release.Policy, t, now time.Time) (*release.Policy, error) {
	if t.After(now) {
		return p, nil
	}
	then, err := policy.InForce(ctx, log, st.Line(p.Stream))
	if err != nil || then != nil {
		return then, err
	}
	return p, nil
}

func newExplainCommand() *cobra.Command {
	f := &stageFlags{}
	var at string
	c := &cobra.Command{
		Use:   "explain BUILD",
		Short: "Say why a build is released, or why not; now, or at any time past",
		Example: `  assay release explain 20261121_01
  assay release explain 20261121_01 --at 2026-11-24T14:00:00Z`,
		Args: oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.withBuild(c, args[0], func(s *stage, p *release.Policy, b *release.Build) error {
				v, err := s.asOf(c, at)
				if err != nil {
					return err
				}
				if p, err = v.policy(p); err != nil {
					return err
				}
				if f.json {
					return printJSON(c, explained(p, v.state, b.ID, v.now))
				}
				_, err = io.WriteString(c.OutOrStdout(), release.Explain(p, v.state, b.ID, v.now))
				return err
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.jsonTo(c)
	c.Flags().StringVar(&at, "at", "", "as of this `TIME`, with what was known then and by the policy of then")
	return c
}

// explanation is Explain for programs.
type explanation struct {
	At        time.Time         `json:"at"`
	Judgement release.Judgement `json:"judgement"`
	Decision  release.Decision  `json:"decision"`
	// InForce is the policy that the history had at that time; the decision says
	// by which it was made.
	InForce *release.InForce `json:"policy_in_force,omitempty"`
	Text    string           `json:"text"`
}

func explained(p *release.Policy, st *release.State, id release.BuildID, now time.Time) explanation {
	out := explanation{At: now, Decision: release.Decide(p, st, now), Text: release.Explain(p, st, id, now)}
	out.InForce = st.Line(p.Stream).Policy
	out.Judgement = release.Judgement{Stream: p.Stream, Build: id, Standing: release.Refused, Reasons: []release.Reason{{Code: release.ReasonUnannounced, Text: "it was not known"}}}
	if b := st.Line(p.Stream).Build(id); b != nil {
		out.Judgement = release.JudgeBuild(p, b, now)
	}
	return out
}

func newDecideCommand() *cobra.Command {
	f := &stageFlags{}
	var at string
	c := &cobra.Command{
		Use:   "decide [STREAM...]",
		Short: "Say what would be decided now, or at any time; records nothing",
		Example: `  assay release decide
  assay release decide fedora-43 --at 2026-11-24T14:00:00Z --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return f.withPolicies(c, args, func(s *stage, policies []*release.Policy) error {
				v, err := s.asOf(c, at)
				if err != nil {
					return err
				}
				all := []release.Decision{}
				for _, p := range policies {
					if p, err = v.policy(p); err != nil {
						return err
					}
					all = append(all, release.Decide(p, v.state, v.now))
				}
				if f.json {
					return printJSON(c, all)
				}
				for _, d := range all {
					printDecision(c.OutOrStdout(), d)
				}
				return nil
			})
		},
	}
	f.addTo(c)
	f.jsonTo(c)
	c.Flags().StringVar(&at, "at", "", "as of this `TIME`, with what was known then and by the policy of then; a time to come shows what would happen if nothing else did")
	return c
}

func printDecision(out io.Writer, d release.Decision) {
	fmt.Fprintln(out, reports.Line(d.Text(), 1000))
	for _, r := range d.Reasons[min(1, len(d.Reasons)):] {
		fmt.Fprintf(out, "  - %s\n", reports.Line(r.Text, 1000))
	}
	for _, j := range d.Candidates[:min(len(d.Candidates), 20)] {
		why := ""
		if len(j.Reasons) > 0 {
			why = ": " + j.Reasons[0].Text
		}
		fmt.Fprintf(out, "  %s %s%s\n", j.Build, j.Standing, reports.Line(why, 400))
	}
}

// withPolicies is with for a command about the streams named, or about all.
func (f *stageFlags) withPolicies(c *cobra.Command, streams []string, do func(*stage, []*release.Policy) error) error {
	return f.with(c, func(s *stage) error {
		policies, err := s.policies(streams)
		if err != nil {
			return err
		}
		return do(s, policies)
	})
}

// policies are those of the streams named, or all.
func (s *stage) policies(names []string) (out []*release.Policy, err error) {
	if len(names) == 0 {
		return s.cfg.Streams(), nil
	}
	for _, n := range names {
		p, err := policyOf(s.cfg, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
