package reports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// EncodeTAP writes run as TAP 14 (testanything.org). A failure that does not
// count against the image is a TODO: a known one with its tracker, an advisory
// one with that word; so a TAP reader calls the run good exactly when it is
// accepted.
func EncodeTAP(w io.Writer, run *Run) error {
	b := bufio.NewWriter(w)
	suites := run.Suites
	total, red := 0, false
	for _, s := range suites {
		total += len(s.Cases)
		for _, c := range s.Cases {
			st := c.Standing()
			red = red || st == Rejects || st == Open
		}
	}
	if run.Verdict != Accepted && !red {
		suites = append(suites[:len(suites):len(suites)], Suite{Name: "assay", Title: "verdict", Cases: []Case{verdictCase(run)}})
		total++
	}
	fmt.Fprintf(b, "TAP version 14\n# %s %s\n# image %s %s\n# %s: %s\n1..%d\n", Line(run.Tool.Name, 100), Line(run.Tool.Version, 100),
		Line(run.Image.Name, 300), Line(string(run.Image.Digest), 100), Line(string(run.Verdict), 40), Line(run.Reason, reasonLimit), total)
	n := 0
	for _, s := range suites {
		fmt.Fprintf(b, "# %s\n", Line(s.Criterion+" "+s.Name+": "+s.Title, 300))
		for _, c := range s.Cases {
			n++
			tapCase(b, n, c)
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("cannot write TAP: %w", err)
	}
	return nil
}

func tapCase(b *bufio.Writer, n int, c Case) {
	status, directive := "not ok", ""
	switch c.Standing() {
	case Holds:
		status = "ok"
	case Absent:
		status, directive = "ok", " # SKIP "+tapText(c.Message, 500)
	case Excused:
		directive = " # TODO " + tapText(c.Known.Tracker, 500)
	case Noted:
		directive = " # TODO advisory"
	}
	fmt.Fprintf(b, "%s %d - %s%s\n", status, n, tapText(string(c.ID), 300), strings.TrimRight(directive, " "))
	if status == "ok" {
		return
	}
	b.WriteString("  ---\n")
	tapField(b, "message", Line(c.Message, MessageLimit))
	tapField(b, "promise", Line(c.Title, 500))
	tapField(b, "outcome", Line(string(c.Outcome), 40))
	tapField(b, "fault", Line(string(c.Fault), 40))
	fmt.Fprintf(b, "  blocking: %t\n", c.Blocking)
	fmt.Fprintf(b, "  duration_ms: %d\n", max(c.Duration, 0)/time.Millisecond)
	tapField(b, "guest", Line(c.Guest, 200))
	if c.Known.Covers() {
		tapField(b, "tracker", Line(c.Known.Tracker, 1000))
		tapField(b, "reason", Line(c.Known.Reason, 1000))
		tapField(b, "expires", Line(c.Known.Expires, 40))
	}
	tapField(b, "details", Clean(c.Details))
	if len(c.Evidence) > 0 {
		b.WriteString("  evidence:\n")
		for _, e := range c.Evidence {
			fmt.Fprintf(b, "    - %s\n", tapString(strings.TrimSuffix(Line(e.Title, 300)+": "+Line(e.Path, 1000), ": ")))
		}
	}
	tapField(b, "again", Line(c.Replay, 2000))
	b.WriteString("  ...\n")
}

// tapField writes one line of a YAML block; an empty value is left out.
func tapField(b *bufio.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(b, "  %s: %s\n", name, tapString(value))
	}
}

// tapString is a YAML double-quoted scalar. JSON's strings are such scalars,
// and have no line ends that a TAP parser could trip over.
func tapString(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string always encodes
	}
	return strings.TrimSpace(b.String())
}

// tapText is a line's text with TAP's own characters escaped.
func tapText(s string, limit int) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(Line(s, limit))
}
