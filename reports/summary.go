package reports

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// Terminal colours (ECMA-48 SGR); words and marks carry the meaning too.
const (
	sgrGood = "1;32"
	sgrBad  = "1;31"
	sgrOpen = "1;33"
	sgrDim  = "2"
	sgrBold = "1"
)

// summaryCases bounds how many cases Summary tells of at length: the verdict
// is to stay on the screen.
const summaryCases = 12

// Summary writes the end of a run for a person at a terminal: the verdict and
// why, what failed with its message and the command to run it again, counts,
// and where the page is (when run.Dir is set). Text from the guest is cleaned;
// color adds escape sequences of our own.
func Summary(w io.Writer, run *Run, color bool) error {
	b := bufio.NewWriter(w)
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	mark := map[Verdict]string{Accepted: paint(sgrGood, "✓ ACCEPTED"), Rejected: paint(sgrBad, "✗ REJECTED")}[run.Verdict]
	if mark == "" {
		mark = paint(sgrOpen, "? UNDECIDED")
	}
	fmt.Fprintf(b, "%s  %s\n", mark, Line(run.Reason, reasonLimit))
	fmt.Fprintf(b, "  %s\n", paint(sgrDim, strings.Join(identity(run.Image), " · ")))

	groups := grouped(run.Suites)
	told := 0
	for _, g := range groups {
		if told < summaryCases {
			fmt.Fprintf(b, "\n%s\n", paint(sgrBold, g.heading()))
		}
		for _, c := range g.cases {
			if told++; told > summaryCases {
				continue
			}
			code := sgrOpen
			if g.standing == Rejects {
				code = sgrBad
			}
			fmt.Fprintf(b, "  %s %s\n", paint(code, g.mark()), paint(sgrBold, Line(string(c.ID), 200)))
			if m := Line(c.Message, 600); m != "" {
				fmt.Fprintf(b, "      %s\n", m)
			}
			if g.standing == Excused {
				fmt.Fprintf(b, "      known: %s, until %s\n", Line(c.Known.Tracker, 300), Line(c.Known.Expires, 40))
				continue
			}
			if e := firstPath(c); e != "" {
				fmt.Fprintf(b, "      %s\n", paint(sgrDim, "see    "+filepath.Join(run.Dir, filepath.FromSlash(Line(e, 400)))))
			}
			if c.Replay != "" {
				fmt.Fprintf(b, "      %s\n", paint(sgrDim, "again  ")+Line(c.Replay, 600))
			}
		}
	}
	if told > summaryCases {
		fmt.Fprintf(b, "  and %d more: see the page\n", told-summaryCases)
	}
	fmt.Fprintf(b, "\n%s in %s\n", countsLine(run.Counts), roughly(run.Finished.Sub(run.Started)))
	for _, n := range run.Notes {
		fmt.Fprintf(b, "note: %s\n", Line(n, 600))
	}
	if run.Dir != "" {
		fmt.Fprintf(b, "page: %s\n", filepath.Join(run.Dir, PageFile))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("cannot write the summary: %w", err)
	}
	return nil
}

// identity is the image in a few words: name, system, digest.
func identity(i Image) []string {
	words := []string{Line(i.Name, 200)}
	for _, s := range []string{i.OS, i.Kernel, string(i.Arch)} {
		if l := Line(s, 100); l != "" {
			words = append(words, l)
		}
	}
	if d := i.Digest.Hex(); len(d) >= 12 {
		words = append(words, "sha256:"+Line(d[:12], 40))
	}
	return words
}

func firstPath(c Case) string {
	for _, e := range c.Evidence {
		if e.Path != "" {
			return e.Path
		}
	}
	return ""
}

func countsLine(n Counts) string {
	s := fmt.Sprintf("%s: %d passed, %d failed", plural(n.Total, "check"), n.Passed, n.Failed)
	var of []string
	if n.Advisory > 0 {
		of = append(of, fmt.Sprintf("%d advisory", n.Advisory))
	}
	if n.Known > 0 {
		of = append(of, fmt.Sprintf("%d known", n.Known))
	}
	if len(of) > 0 {
		s += " (" + strings.Join(of, ", ") + ")"
	}
	return fmt.Sprintf("%s, %d not answered, %d skipped", s, n.Errored, n.Skipped)
}

// roughly writes a duration as a person says it: "0.42 s", "7.3 s", "3 min 12 s".
func roughly(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
}
