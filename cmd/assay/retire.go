package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
)

// keptReleases is how many releases a target keeps when nobody says otherwise:
// at the usual pace a quarter of a year.
const keptReleases = 6

func newRetireCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var targets []string
	var keep int
	var age string
	c := &cobra.Command{
		Use:   "retire [BUILD...]",
		Short: "Have targets remove the files of old releases",
		Long: `Makes room at targets: the images of old releases are removed, and what of the
ostree repository no ref and no release that stays needs. Without builds these are
all but the newest --keep; with --older-than only those of them that were
out for the last time before then. What readers are given, what is about to be out
and what would be out if that were revoked is never among them. Pages show
them as no longer kept before the first file goes; the history keeps everything.
` + "`assay serve`" + ` does it, and tries again what a target could not do.`,
		Example: `  assay release retire --keep 10 --reason "the disk is 90 % full"
  assay release retire 20260101_01 --target mirror --reason "it has a licence problem" --yes`,
		RunE: func(c *cobra.Command, args []string) error {
			if keep < 1 {
				return usagef("--keep %d: want 1 at least", keep)
			}
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				for _, t := range targets {
					if !slices.ContainsFunc(p.Targets, func(o release.Target) bool { return o.Name == t }) {
						return nil, usagef("--target %s: the policy of %s has no such target", t, p.Stream)
					}
				}
				var named []release.BuildID
				for _, a := range args {
					b, err := s.build(p, a)
					if err != nil {
						return nil, err
					}
					named = append(named, b.ID)
				}
				before := time.Time{}
				if age != "" {
					span, ok := parseSpan(age)
					if !ok {
						return nil, usagef("--older-than %.40q: want a span, as 90d", age)
					}
					before = s.now().Add(-span)
				}
				told := f.yes
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, t := range p.Targets {
						if len(targets) > 0 && !slices.Contains(targets, t.Name) {
							continue
						}
						builds := named
						if len(named) == 0 {
							builds = retirable(st.Line(p.Stream), t, keep, before)
						}
						if len(builds) == 0 {
							continue
						}
						if !told {
							s.stderr("from %s would be removed:", t.Name)
							for _, b := range builds {
								s.stderr("  %s", filesOf(st.Line(p.Stream), b))
							}
						}
						out = append(out, &release.ReleasesRetired{Target: t.Name, Builds: builds, Word: word})
					}
					told = true
					return out, nil
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	c.Flags().StringSliceVar(&targets, "target", nil, "at these targets (default all of the stream)")
	c.Flags().IntVar(&keep, "keep", keptReleases, "how many releases stay, counted from the newest")
	c.Flags().StringVar(&age, "older-than", "", "only what was out for the last time so long ago, as 90d")
	return c
}

// retirable are the builds at a target beyond the newest keep, oldest first.
func retirable(l *release.Line, t release.Target, keep int, before time.Time) (out []release.BuildID) {
	there := l.PublishedAt(t)
	kept := map[release.BuildID]bool{}
	for _, r := range slices.Backward(l.Releases) {
		if _, ok := there[r.Build]; ok && r.Revoked == nil && len(kept) < keep {
			kept[r.Build] = true
		}
	}
	for b := range there {
		last := time.Time{}
		for _, r := range l.Releases {
			if r.Build != b {
				continue
			}
			if _, until := l.WasOut(r); until.After(last) {
				last = until
			}
		}
		if kept[b] || l.Kept(t, b) != "" || !before.IsZero() && !last.Before(before) {
			continue
		}
		out = append(out, b)
	}
	slices.SortFunc(out, release.BuildID.Compare)
	return out
}

// filesOf says what of a build would go.
func filesOf(l *release.Line, id release.BuildID) string {
	b := l.Build(id)
	if b == nil {
		return string(id)
	}
	var size int64
	var names []string
	for _, a := range b.Artifacts {
		if a.Known {
			size += a.Size
			names = append(names, a.Name)
		}
	}
	return fmt.Sprintf("%s: %s (%.1f MB of images)", id, strings.Join(names, ", "), float64(size)/1e6)
}
