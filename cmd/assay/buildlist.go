package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/reports"
)

// buildLine is a build in a list, for programs.
type buildLine struct {
	Stream   release.Stream   `json:"stream"`
	Build    release.BuildID  `json:"build"`
	Compose  string           `json:"compose,omitempty"`
	Created  time.Time        `json:"created"`
	Standing release.Standing `json:"standing"`
	// Release is out, revoked or empty.
	Release string   `json:"release,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

func listed1(p *release.Policy, l *release.Line, b *release.Build, now time.Time) buildLine {
	j := release.JudgeBuild(p, b, now)
	out := buildLine{Stream: p.Stream, Build: b.ID, Compose: b.Compose, Created: b.Created, Standing: j.Standing}
	for _, r := range j.Reasons {
		out.Reasons = append(out.Reasons, r.Text)
	}
	for _, r := range l.Releases {
		if r.Build == b.ID {
			out.Release = "released"
			if r.Revoked != nil {
				out.Release = "revoked"
			}
		}
	}
	if o := l.Out(); o != nil && o.Build == b.ID {
		out.Release = "out"
	}
	return out
}

func newBuildListCommand() *cobra.Command {
	f := &stageFlags{}
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List builds, newest first, with what may become of them",
		Example: `  assay build list --limit 14
  assay build list --stream fedora-43 --json | jq -r '.[] | select(.standing == "good").build'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.withPolicy(c, func(s *stage, p *release.Policy) error {
				lines := s.list(p, limit)
				if f.json {
					return printJSON(c, lines)
				}
				return printBuilds(c.OutOrStdout(), p, lines)
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.jsonTo(c)
	c.Flags().IntVar(&limit, "limit", 30, "how many")
	return c
}

// list has a stream's newest builds.
func (s *stage) list(p *release.Policy, limit int) []buildLine {
	lines, l := []buildLine{}, s.state.Line(p.Stream)
	for b := range l.Builds() {
		if len(lines) == limit {
			break
		}
		lines = append(lines, listed1(p, l, b, s.now()))
	}
	return lines
}

func printBuilds(out io.Writer, p *release.Policy, lines []buildLine) error {
	if len(lines) == 0 {
		_, err := fmt.Fprintf(out, "%s has no builds: `assay build add` announces one\n", p.Stream)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, b := range lines {
		why := ""
		if len(b.Reasons) > 0 {
			why = b.Reasons[0]
		}
		if b.Release != "" {
			why = strings.TrimSuffix(b.Release+"; "+why, "; ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", b.Build, b.Standing, reports.Line(b.Compose, 60), reports.Line(why, 120))
	}
	return w.Flush()
}

func newBuildShowCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "show BUILD",
		Short: "Show what a build consists of, how its tests stand and what people said",
		Example: `  assay build show 20261121_01
  assay build show Fedora-43-20261121.n.0 --json`,
		Args: oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.withBuild(c, args[0], func(s *stage, p *release.Policy, b *release.Build) error {
				if f.json {
					return printJSON(c, detail(p, s.state, b, s.now()))
				}
				return showBuild(c, p, s, b)
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.jsonTo(c)
	return c
}

// buildDetail is a whole build, for programs.
type buildDetail struct {
	buildLine
	From          *release.BuildRef `json:"from,omitempty"`
	Rebuild       int               `json:"rebuild,omitempty"`
	Contradiction string            `json:"contradiction,omitempty"`
	Artifacts     []artifactDetail  `json:"artifacts"`
	Commits       []release.Commit  `json:"commits,omitempty"`
	Mark          *release.Said     `json:"mark,omitempty"`
	MarkedBad     bool              `json:"marked_bad,omitempty"`
	Revoked       *release.Said     `json:"revoked,omitempty"`
	Waivers       []waiverDetail    `json:"waivers,omitempty"`
}

type artifactDetail struct {
	release.Artifact
	Attempt int                   `json:"attempt"`
	Answer  *release.TestAnswered `json:"answer,omitempty"`
}

type waiverDetail struct {
	release.CheckWaived
	By        release.Actor `json:"by"`
	At        time.Time     `json:"at"`
	InForce   bool          `json:"in_force"`
	Withdrawn *release.Said `json:"withdrawn,omitempty"`
}

func detail(p *release.Policy, st *release.State, b *release.Build, now time.Time) buildDetail {
	out := buildDetail{buildLine: listed1(p, st.Line(p.Stream), b, now), From: b.From, Rebuild: b.Rebuild, Contradiction: b.Contradiction,
		Artifacts: []artifactDetail{}, Commits: b.Commits, Mark: b.Marked, MarkedBad: b.MarkedBad, Revoked: b.Revoked}
	for _, a := range b.Artifacts {
		out.Artifacts = append(out.Artifacts, artifactDetail{a.Artifact, a.Attempt, a.Answer()})
	}
	for _, w := range b.Waivers {
		out.Waivers = append(out.Waivers, waiverDetail{w.CheckWaived, w.By, w.At, w.Counts(now), w.Withdrawn})
	}
	return out
}

func showBuild(c *cobra.Command, p *release.Policy, s *stage, b *release.Build) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s %s\n", p.Stream, b.ID)
	for _, a := range b.Artifacts {
		fmt.Fprintf(out, "  %s  %s  %d bytes\n    %s\n    %s\n", a.ID, reports.Line(a.Name, 200), a.Size, a.Digest, reports.Line(a.Location, 400))
	}
	for _, m := range b.Commits {
		fmt.Fprintf(out, "  ostree %s %s\n    %s\n", m.Arch, reports.Line(m.Ref, 200), m.Checksum)
	}
	if b.From != nil {
		fmt.Fprintf(out, "  rebuild %d of %s\n", b.Rebuild, b.From)
	}
	_, err := io.WriteString(out, release.Explain(p, s.state, b.ID, s.now()))
	return err
}
