package main

import (
	"time"

	"github.com/spf13/cobra"

	"assay/release"
)

func newBuildCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "build",
		Short: "Tell the release stage of builds and their test results",
		Long: `A build is what a nightly compose made: a number YYYYMMDD_NN, its artifacts with
the digests of their files, the ostree commit they were made from, the package
manifest, and the upstream's name of it. BUILD is the number or that name.`,
		Example: `  assay build add --artifact qcow2/x86_64=os.qcow2 --compose Fedora-43-20261121.n.0
  assay build result 20261121_01 assay-results/last
  assay build list`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBuildAddCommand(), newBuildListCommand(), newBuildShowCommand(), newBuildResultCommand(), newBuildMarkCommand())
	return c
}

func newBuildMarkCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "mark BUILD bad|good",
		Short: "Say that a build is bad though it passed, or good after all",
		Long: `A build that is marked bad is not released, whatever its tests say. "good" takes
such a mark away; it waives nothing: see ` + "`assay release waive`.",
		Example: `  assay build mark 20261121_01 bad --reason "eats home directories" --link https://bugs.example/812`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 2 || args[1] != string(release.MarkBad) && args[1] != string(release.MarkGood) {
				return usagef("want BUILD and bad or good; see `%s --help`", c.CommandPath())
			}
			return onBuild(c, f, w, args[0], func(b release.BuildID, word release.Word) release.Fact {
				return &release.BuildMarked{Build: b, Mark: release.Mark(args[1]), Word: word}
			})
		},
	}
	return wordy(c, f, w)
}

// onBuild records one fact about a build.
func onBuild(c *cobra.Command, f *stageFlags, w *wordFlags, name string, fact func(release.BuildID, release.Word) release.Fact) error {
	word, err := w.word()
	if err != nil {
		return err
	}
	return f.withBuild(c, name, func(s *stage, p *release.Policy, b *release.Build) error {
		return s.change(c, p, func(*release.State, time.Time) ([]release.Fact, error) {
			return []release.Fact{fact(b.ID, word)}, nil
		})
	})
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("want one %s, got %d; see `%s --help`", what, len(args), c.CommandPath())
		}
		return nil
	}
}

func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("want one %s, got %d; see `%s --help`", what, len(args), c.CommandPath())
		}
		return nil
	}
}
