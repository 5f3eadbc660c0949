package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
)

func newReleaseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "release",
		Short: "See what is released and why, and override it",
		Long: `What is released follows from the policy, the history and the time; these
commands show it, and record what people say against it. Every change says first
what it would record, and needs --yes or a yes at the terminal. It is carried out
by ` + "`assay serve`" + `.`,
		Example: `  assay release status
  assay release explain 20261121_01
  assay release waive 20261121_01 storage/resize --reason "the check is wrong" --link https://bugs.example/812 --until 14d`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStatusCommand(), newExplainCommand(), newDecideCommand(), newPromoteCommand(), newWithdrawCommand(), newRevokeCommand(), newLiftCommand(),
		newWaiveCommand(), newUnwaiveCommand(), newBlockCommand(), newUnblockCommand(), newRebuildCommand(), newSkipCommand(), newReopenCommand(), newDropCommand(), newRetireCommand())
	return c
}

func newBlockCommand() *cobra.Command {
	return streamWord("block [STREAM]", "Stop all releases of a stream", `  assay release block fedora-43 --reason "kernel regression, see list" --link https://bugs.example/33`,
		func(w release.Word) release.Fact { return &release.StreamBlocked{Word: w} })
}

func newUnblockCommand() *cobra.Command {
	return streamWord("unblock [STREAM]", "Let a stream release again", `  assay release unblock fedora-43 --reason "the kernel is fixed"`,
		func(w release.Word) release.Fact { return &release.StreamUnblocked{Word: w} })
}

func streamWord(use, short, example string, fact func(release.Word) release.Fact) *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: atMostOne("STREAM"),
		RunE: func(c *cobra.Command, args []string) error {
			f.stream = strings.Join(args, "")
			return onStream(c, f, w, func(_ *stage, _ *release.Policy, word release.Word) (decider, error) {
				return func(*release.State, time.Time) ([]release.Fact, error) { return []release.Fact{fact(word)}, nil }, nil
			})
		},
	}
	f.addTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

func newReopenCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var after string
	c := &cobra.Command{
		Use:     "reopen",
		Short:   "Let release dates count again that a wrong clock has closed",
		Example: `  assay release reopen --stream fedora-43 --after 2026-11-21 --reason "the host's clock was a year ahead"`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := parseMoment(after, time.Time{})
			if err != nil {
				return usagef("--after: %w", err)
			}
			return onStream(c, f, w, func(*stage, *release.Policy, release.Word) (decider, error) {
				word, err := w.word()
				return func(*release.State, time.Time) ([]release.Fact, error) {
					return []release.Fact{&release.SlotsReopened{After: t, Word: word}}, nil
				}, err
			})
		},
	}
	wordy(c, f, w)
	c.Flags().StringVar(&after, "after", "", "dates after this `TIME` (needed)")
	return c
}

func newDropCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "drop EFFECT",
		Short: "Give an effect up that cannot happen any more",
		Long: `Gives an effect up, by its key as ` + "`assay release status`" + ` shows it: a mirror that is
gone, a tracker that was switched off. A dropped signature keeps the release from
being published.`,
		Example: `  assay release drop publish/mirror/fedora-43/20261121_01/7/images --reason "the mirror is gone"`,
		Args:    oneArg("EFFECT"),
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(_ *stage, p *release.Policy, word release.Word) (decider, error) {
				return func(st *release.State, now time.Time) ([]release.Fact, error) {
					var keys []string
					for _, e := range release.Effects(p, st, now) {
						if string(e.Key) == args[0] {
							return []release.Fact{&release.EffectDropped{Key: e.Key, Word: word}}, nil
						}
						keys = append(keys, string(e.Key))
					}
					return nil, usagef("%s owes no effect %q, only %q", p.Stream, args[0], keys)
				}, nil
			})
		},
	}
	return wordy(c, f, w)
}
