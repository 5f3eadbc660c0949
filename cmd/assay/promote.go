package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/reports"
)

func newPromoteCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var now, older bool
	c := &cobra.Command{
		Use:   "promote BUILD",
		Short: "Ask for the release of one build",
		Long: `Asks for the release of this build and no other. It still has to pass: what
speaks against it has to be waived by name. While no release date is open this
would be a release outside the cadence; say --out-of-band if that is meant.
A request that is not met stands until it is (see ` + "`assay release withdraw`" + `).`,
		Example: `  assay release promote 20261121_01 --reason "newest is known to be slow"
  assay release promote 20261122_02 --out-of-band --reason "CVE-2026-1234" --link https://bugs.example/900`,
		Args: oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			word, err := w.word()
			if err != nil {
				return err
			}
			return f.withBuild(c, args[0], func(s *stage, p *release.Policy, b *release.Build) error {
				if j := release.JudgeBuild(p, b, s.now()); j.Standing != release.Good {
					s.stderr("%s is %s at present, and is not released before that changes:", b.ID, j.Standing)
					for _, r := range j.Reasons {
						s.stderr("  - %s", reports.Line(r.Text, 400))
					}
				}
				return s.change(c, p, func(st *release.State, at time.Time) ([]release.Fact, error) {
					l := st.Line(p.Stream)
					for _, r := range l.Promotions() {
						if r.Build == b.ID {
							return nil, &refusedError{fmt.Errorf("%s was asked for already, by %s: %s", b.ID, r.By, r.Reason)}
						}
					}
					if d := release.Decide(p, st, at); d.Slot == nil && !now {
						return nil, &refusedError{fmt.Errorf("no release date of %s is open (%s): add --out-of-band to release %s all the same", p.Stream, d.Text(), b.ID)}
					}
					return []release.Fact{&release.PromotionRequested{Request: requestName(b.ID, at), Build: b.ID, Word: word, Older: older}}, nil
				})
			})
		},
	}
	wordy(c, f, w)
	c.Flags().BoolVar(&now, "out-of-band", false, "also while no release date is open")
	c.Flags().BoolVar(&older, "older", false, "although it is older than what is out")
	return c
}

// requestName is unique: nobody asks twice in one second.
func requestName(b release.BuildID, at time.Time) string {
	return fmt.Sprintf("%s-%s", b, at.UTC().Format("20060102T150405Z"))
}

func newWithdrawCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "withdraw BUILD",
		Short:   "Take back a promotion that was asked for and is not met yet",
		Example: `  assay release withdraw 20261121_01 --reason "the fix was not in it"`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.build(p, args[0])
				if err != nil {
					return nil, err
				}
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, r := range st.Line(p.Stream).Promotions() {
						if r.Build == b.ID {
							out = append(out, &release.PromotionWithdrawn{Request: r.Request, Word: word})
						}
					}
					if len(out) == 0 {
						return nil, &refusedError{fmt.Errorf("nobody has asked for %s, or it was released", b.ID)}
					}
					return out, nil
				}, nil
			})
		},
	}
	return wordy(c, f, w)
}

// onStream records what a command makes of one stream.
func onStream(c *cobra.Command, f *stageFlags, w *wordFlags, prepare func(*stage, *release.Policy, release.Word) (decider, error)) error {
	word, err := w.word()
	if err != nil {
		return err
	}
	return f.withPolicy(c, func(s *stage, p *release.Policy) error {
		decide, err := prepare(s, p, word)
		if err != nil {
			return err
		}
		return s.change(c, p, decide)
	})
}

func newRevokeCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "revoke BUILD",
		Short: "Take a release back: the one before is the release again",
		Long: `Takes a release back. The one before is published again in its place, pages and
metadata say what was bad and why, the bug is filed, and the build is not
released again unless the revocation is lifted (` + "`assay release lift`" + `).`,
		Example: `  assay release revoke 20261121_01 --reason "does not boot on UEFI" --link https://bugs.example/901`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onBuild(c, f, w, args[0], func(b release.BuildID, word release.Word) release.Fact {
				return &release.ReleaseRevoked{Build: b, Word: word}
			})
		},
	}
	return wordy(c, f, w)
}

func newLiftCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "lift BUILD",
		Short:   "Let a revoked build be released again",
		Example: `  assay release lift 20261121_01 --reason "the firmware was at fault" --link https://bugs.example/901`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onBuild(c, f, w, args[0], func(b release.BuildID, word release.Word) release.Fact {
				return &release.RevocationLifted{Build: b, Word: word}
			})
		},
	}
	return wordy(c, f, w)
}
