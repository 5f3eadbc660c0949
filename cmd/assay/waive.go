package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/reports"
)

type waive struct {
	stageFlags
	wordFlags
	until    string
	artifact string
	force    bool
}

func newWaiveCommand() *cobra.Command {
	o := &waive{}
	c := &cobra.Command{
		Use:   "waive BUILD CHECK...",
		Short: "Let a build pass in spite of the checks named",
		Long: `Lets one build pass in spite of checks that failed, until a time. It is refused
while the test still runs (--force waives all the same), and where the policy
does not let you.`,
		Example: `  assay release waive 20261121_01 storage/resize --reason "the check is wrong" --link https://bugs.example/812 --until 14d
  assay release waive 20261121_01 base/clock --artifact qcow2/x86_64 --reason "no RTC there" --link https://bugs.example/7 --until 2026-12-01`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("want BUILD and at least one CHECK; see `%s --help`", c.CommandPath())
			}
			if o.link == "" || o.until == "" {
				return usagef("a waiver has a tracker link and an end: --link URL --until 14d")
			}
			return onStream(c, &o.stageFlags, &o.wordFlags, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.build(p, args[0])
				if err != nil {
					return nil, err
				}
				end, err := parseMoment(o.until, s.now())
				if err != nil {
					return nil, usagef("--until: %w", err)
				}
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, check := range args[1:] {
						id := reports.CaseID(check)
						if !wasAsked(st.Line(p.Stream).Build(b.ID), id) && !o.force {
							return nil, &refusedError{fmt.Errorf("no test of %s has an answer to %q: look at `assay build show %[1]s`, or add --force", b.ID, check)}
						}
						out = append(out, &release.CheckWaived{Waiver: waiverName(st.Line(p.Stream), b.ID, id, release.ArtifactID(o.artifact)), Build: b.ID, Check: id,
							Artifact: release.ArtifactID(o.artifact), Word: word, Expires: end, Forced: o.force})
					}
					return out, nil
				}, nil
			})
		},
	}
	wordy(c, &o.stageFlags, &o.wordFlags)
	c.Flags().StringVar(&o.until, "until", "", "when it ends: 14d, or a `TIME` (needed)")
	c.Flags().StringVar(&o.artifact, "artifact", "", "for this artifact alone: `KIND/ARCH`")
	c.Flags().BoolVar(&o.force, "force", false, "although the test still runs, or never asked that check")
	return c
}

// wasAsked reports whether a check was asked or is missing by name: a waiver of a
// misspelt check would help nobody.
func wasAsked(b *release.Build, id reports.CaseID) bool {
	for _, a := range b.Artifacts {
		ans := a.Answer()
		if ans == nil {
			return true // Allow says whether that may be
		}
		if slices.Contains(ans.Passed, id) || slices.Contains(ans.PassedAdvisory, id) ||
			slices.ContainsFunc(ans.Cases, func(c release.Case) bool { return c.Check == id }) {
			return true
		}
	}
	return false
}

// waiverName is the first free name for a waiver.
func waiverName(l *release.Line, b release.BuildID, check reports.CaseID, a release.ArtifactID) string {
	name := fmt.Sprintf("%s:%s", b, check)
	if a != "" {
		name += ":" + string(a)
	}
	for n := 1; ; n++ {
		if try := fmt.Sprintf("%s#%d", name, n); l.Waiver(try) == nil {
			return try
		}
	}
}

func newUnwaiveCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "unwaive BUILD CHECK...",
		Short:   "Withdraw waivers before their time",
		Example: `  assay release unwaive 20261121_01 storage/resize --reason "the check was right"`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("want BUILD and at least one CHECK; see `%s --help`", c.CommandPath())
			}
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.build(p, args[0])
				if err != nil {
					return nil, err
				}
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, check := range args[1:] {
						found := false
						for _, x := range st.Line(p.Stream).Build(b.ID).Waivers {
							if string(x.Check) == check && x.Withdrawn == nil {
								found = true
								out = append(out, &release.WaiverWithdrawn{Waiver: x.Waiver, Word: word})
							}
						}
						if !found {
							return nil, &refusedError{fmt.Errorf("%s of %s is not waived", check, b.ID)}
						}
					}
					return out, nil
				}, nil
			})
		},
	}
	return wordy(c, f, w)
}
