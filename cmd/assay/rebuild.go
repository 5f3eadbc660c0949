package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
)

// errNothingToWaive means that a rebuilt build has no failure that a name could
// be given.
var errNothingToWaive = errors.New("nothing that speaks against it can be waived by name")

func newRebuildCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Say what becomes of a build of the signing build system that did not pass",
		Long: `For streams that follow another and are rebuilt in a signing build system: when a
rebuilt build did not pass, a person says what happens. redo asks for another
rebuild of the same content; rework sets this one aside and waits for one that the
build system made differently; release lets it out, by waiving what failed.`,
		Example: `  assay release rebuild redo 20261121_01 --stream centos-atomic --reason "the builder ran out of disk"
  assay release rebuild release 20261122_01 --stream centos-atomic --reason "flaky" --link https://bugs.example/5 --until 7d`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRedoCommand(), newReworkCommand(), newReleaseAnywayCommand())
	return c
}

func newRedoCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "redo UPSTREAM-BUILD",
		Short:   "Ask for another rebuild of an upstream build",
		Example: `  assay release rebuild redo 20261121_01 --stream centos-atomic --reason "the builder ran out of disk"`,
		Args:    oneArg("UPSTREAM-BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := release.ParseBuildID(args[0])
			if err != nil {
				return &usageError{err}
			}
			return onStream(c, f, w, func(_ *stage, p *release.Policy, word release.Word) (decider, error) {
				if p.Follow == nil {
					return nil, usagef("%s follows no other stream: it has no rebuilds", p.Stream)
				}
				from := release.BuildRef{Stream: p.Follow.Stream, Build: id}
				return func(st *release.State, _ time.Time) ([]release.Fact, error) {
					asked := st.Line(p.Stream).Rebuilds(from)
					if len(asked) == 0 {
						return nil, &refusedError{fmt.Errorf("no rebuild of %s was asked for yet", from)}
					}
					return []release.Fact{&release.RebuildRequested{Slot: asked[len(asked)-1].Slot, From: from, Number: len(asked) + 1, Word: word}}, nil
				}, nil
			})
		},
	}
	return wordy(c, f, w)
}

func newReworkCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "rework BUILD",
		Short: "Set a rebuilt build aside and wait for a reworked one",
		Long: `Marks the rebuilt build bad, so that it is not released, and asks for nothing: the
signing build system brings a reworked build of the same content by itself.`,
		Example: `  assay release rebuild rework 20261122_01 --stream centos-atomic --reason "wrong signing key in it"`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.rebuilt(p, args[0])
				return func(*release.State, time.Time) ([]release.Fact, error) {
					return []release.Fact{&release.BuildMarked{Build: b, Mark: release.MarkBad, Word: word}}, nil
				}, err
			})
		},
	}
	return wordy(c, f, w)
}

// rebuilt finds a build of the signing build system.
func (s *stage) rebuilt(p *release.Policy, name string) (release.BuildID, error) {
	b, err := s.build(p, name)
	if err != nil {
		return "", err
	}
	if b.From == nil {
		return "", usagef("%s %s was not rebuilt from another build", p.Stream, b.ID)
	}
	return b.ID, nil
}

func newReleaseAnywayCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var until string
	c := &cobra.Command{
		Use:     "release BUILD",
		Short:   "Let a rebuilt build out, by waiving every check that speaks against it",
		Example: `  assay release rebuild release 20261122_01 --stream centos-atomic --reason "flaky" --link https://bugs.example/5 --until 7d`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			if w.link == "" || until == "" {
				return usagef("a waiver has a tracker link and an end: --link URL --until 7d")
			}
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				id, err := s.rebuilt(p, args[0])
				if err != nil {
					return nil, err
				}
				end, err := parseMoment(until, s.now())
				if err != nil {
					return nil, usagef("--until: %w", err)
				}
				return func(st *release.State, now time.Time) (out []release.Fact, err error) {
					l := st.Line(p.Stream)
					for _, r := range release.JudgeBuild(p, l.Build(id), now).Reasons {
						if r.Check != "" {
							out = append(out, &release.CheckWaived{Waiver: waiverName(l, id, r.Check, r.Artifact), Build: id, Check: r.Check, Artifact: r.Artifact, Word: word, Expires: end})
						}
					}
					if len(out) == 0 {
						return nil, &refusedError{fmt.Errorf("%s %s: %w: see `assay release explain %[2]s`", p.Stream, id, errNothingToWaive)}
					}
					return out, nil
				}, nil
			})
		},
	}
	wordy(c, f, w)
	c.Flags().StringVar(&until, "until", "", "when the waivers end: 7d, or a `TIME` (needed)")
	return c
}
