package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
)

func newSkipCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "skip [DATE]",
		Short: "Let the open release date pass without a release",
		Long: `Closes the release date that is open, as ` + "`assay release status`" + ` shows it. A stream
that follows another and is rebuilt never skips a date by itself: this is how a
person ends the waiting for a rebuild that will not come. The next date is not
touched. Naming the date makes sure that it is the one that is meant.`,
		Example: `  assay release skip up-1#4 --stream down-1 --reason "the signing system is down until January"`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("want one DATE, got %d; see `%s --help`", len(args), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				who, err := f.who(s.cfg)
				if err != nil {
					return nil, err
				}
				return func(st *release.State, now time.Time) ([]release.Fact, error) {
					open, ok := release.OpenDate(p, st, now)
					switch want := strings.Join(args, ""); {
					case !ok:
						return nil, &refusedError{fmt.Errorf("no release date of %s is open", p.Stream)}
					case want != "" && want != string(open.ID):
						return nil, &refusedError{fmt.Errorf("the release date of %s that is open is %s, not %s", p.Stream, open.ID, want)}
					}
					why := fmt.Sprintf("skipped by %s: %s", who.Name, word.Reason)
					if word.Tracker != "" {
						why += " (" + word.Tracker + ")"
					}
					return []release.Fact{&release.SlotSkipped{Slot: open.ID, At: open.At.UTC(), Reasons: []string{why}}}, nil
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}
