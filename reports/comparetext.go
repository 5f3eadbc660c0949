package reports

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// EncodeJSON writes the comparison for a program; lists are never null.
func (c Comparison) EncodeJSON(w io.Writer) error {
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.IsNil() {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return fmt.Errorf("cannot encode the comparison: %w", err)
	}
	return nil
}

// Text writes the comparison for a person at a terminal: what got worse first.
func (c Comparison) Text(w io.Writer, color bool) error {
	b := bufio.NewWriter(w)
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	fmt.Fprintf(b, "A  %s  %s, %s\nB  %s  %s, %s\n", c.A.word(), Line(c.A.Image, 200), countsLine(c.A.Counts),
		c.B.word(), Line(c.B.Image, 200), countsLine(c.B.Counts))
	if len(c.Identity) > 0 {
		fmt.Fprintf(b, "\n%s\n", paint(sgrBold, "Image"))
		for _, f := range c.Identity {
			fmt.Fprintf(b, "  %-15s %s → %s\n", f.Field, dash(Line(f.Before, 100)), dash(Line(f.After, 100)))
		}
	}
	added, gone := "New checks", "Checks that are gone"
	if c.OtherChoice {
		added, gone = "Run in B only", "Run in A only"
	}
	for _, l := range []struct {
		heading, mark, color string
		list                 []CaseChange
		say                  func(CaseChange) string
	}{
		{"Newly failing", "✗", sgrBad, c.NewlyFailing, outcomeChange},
		{"Newly without an answer", "?", sgrOpen, c.NewlyOpen, outcomeChange},
		{"Still failing", "✗", sgrBad, c.StillFailing, nil},
		{"Still without an answer", "?", sgrOpen, c.StillOpen, nil},
		{"Newly passing", "✓", sgrGood, c.NewlyPassing, outcomeChange},
		{"Newly skipped", "–", sgrDim, c.NewlySkipped, outcomeChange},
		{"No longer skipped", "✓", sgrGood, c.NoLongerSkipped, outcomeChange},
		{added, "+", sgrBold, c.New, func(x CaseChange) string { return string(x.After) }},
		{gone, "-", sgrBold, c.Gone, func(x CaseChange) string { return "was " + string(x.Before) }},
		{"Slower", "▲", sgrOpen, c.Slower, timeChange},
		{"Faster", "▼", sgrGood, c.Faster, timeChange},
	} {
		if len(l.list) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s\n", paint(sgrBold, fmt.Sprintf("%s (%d)", l.heading, len(l.list))))
		for _, x := range l.list {
			words := []string{}
			if l.say != nil {
				words = append(words, l.say(x))
			}
			if !x.Blocking {
				words = append(words, "advisory")
			}
			if x.Known {
				words = append(words, "known")
			}
			fmt.Fprintf(b, "  %s %s%s\n", paint(l.color, l.mark), Line(string(x.ID), 200), inBrackets(words))
			if m := Line(x.Message, 600); m != "" && x.After != Passed {
				fmt.Fprintf(b, "      %s\n", m)
			}
			if x.Replay != "" && (x.After == Failed || x.After == Errored) {
				fmt.Fprintf(b, "      %s\n", paint(sgrDim, "again  ")+Line(x.Replay, 600))
			}
		}
	}
	if len(c.Boots) > 0 {
		fmt.Fprintf(b, "\n%s\n", paint(sgrBold, "Boot time"))
		for _, x := range c.Boots {
			slower := ""
			if x.Slower {
				slower = paint(sgrOpen, "  ▲ slower")
			}
			fmt.Fprintf(b, "  %-7s %-25s %s → %s%s\n", x.Kind, x.Phase, roughly(x.Before), roughly(x.After), slower)
		}
	}
	for _, n := range c.Notes {
		fmt.Fprintf(b, "note: %s\n", Line(n, 600))
	}
	if !c.changed() {
		fmt.Fprintf(b, "\nNo check changed.\n")
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("cannot write the comparison: %w", err)
	}
	return nil
}

// changed reports whether any check is anything but what it was.
func (c Comparison) changed() bool {
	return len(c.NewlyFailing)+len(c.NewlyOpen)+len(c.NewlyPassing)+len(c.NewlySkipped)+len(c.NoLongerSkipped)+
		len(c.New)+len(c.Gone)+len(c.Slower)+len(c.Faster) > 0
}

func (s Side) word() string { return fmt.Sprintf("%-9s", Line(string(s.Verdict), 20)) }

func outcomeChange(x CaseChange) string { return string(x.Before) + " → " + string(x.After) }

func timeChange(x CaseChange) string {
	return fmt.Sprintf("%s → %s, × %.1f", roughly(x.Took), roughly(x.Takes), float64(x.Takes)/float64(max(x.Took, time.Millisecond)))
}

func inBrackets(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "  (" + strings.Join(words, ", ") + ")"
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
