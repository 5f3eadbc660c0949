package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// timelineSpans bounds the bars of a timeline.
const timelineSpans = 2000

// timeline is the run as lanes of bars, one lane per guest and one for what
// happens on the host.
type timeline struct {
	Ticks []tick
	Lanes []lane
	Kinds []string // those that occur, for the legend
	Table []spanRow
	Left  int
	// Failed is whether any bar stands for a failure.
	Failed bool
}

type tick struct{ X, Anchor, Text string }

type lane struct {
	Name   string
	Height int
	Bars   []laneBar
}

type laneBar struct {
	bar
	Y      int
	Failed bool
	// Roomy is a text that a narrow page would show a part of.
	Roomy bool
}

type spanRow struct{ Guest, Kind, Name, Start, Took, Result string }

// Heights of a bar and of a row of bars, in CSS pixels.
const (
	barHeight = 22
	rowHeight = 28
)

// newTimeline is nil for a run that has no spans.
func newTimeline(run *Run) *timeline {
	spans := slices.Clone(run.Timeline)
	if len(spans) == 0 {
		return nil
	}
	t := &timeline{}
	if len(spans) > timelineSpans {
		t.Left = len(spans) - timelineSpans
		spans = spans[:timelineSpans]
	}
	// A clock that was set may give a bar that ends before it starts.
	var end time.Duration
	for i := range spans {
		s := &spans[i]
		s.Start = max(s.Start, 0)
		s.End = max(s.End, s.Start)
		end = max(end, s.End)
	}
	end = max(end, time.Millisecond)
	slices.SortStableFunc(spans, func(a, b Span) int { return int(max(min(a.Start-b.Start, 1), -1)) })

	at := map[string]int{}
	ends := map[string][]time.Duration{} // of the rows of each lane
	kinds := map[string]bool{}
	for _, s := range spans {
		name := Line(s.Guest, 60)
		if name == "" {
			name = "host"
		}
		i, ok := at[name]
		if !ok {
			i = len(t.Lanes)
			at[name] = i
			t.Lanes = append(t.Lanes, lane{Name: name})
		}
		row := slices.IndexFunc(ends[name], func(e time.Duration) bool { return e <= s.Start })
		if row < 0 {
			row = len(ends[name])
			ends[name] = append(ends[name], 0)
		}
		ends[name][row] = s.End
		t.Lanes[i].Height = len(ends[name]) * rowHeight
		t.Lanes[i].Bars = append(t.Lanes[i].Bars, newLaneBar(s, row, end))
		kinds[s.Kind] = true
		t.Failed = t.Failed || !s.OK
		t.Table = append(t.Table, spanRow{Guest: name, Kind: Line(s.Kind, 40), Name: Line(s.Name, 200),
			Start: clock(s.Start), Took: roughly(s.End - s.Start), Result: okWord(s.OK)})
	}
	for _, k := range SpanKinds {
		if kinds[k] {
			t.Kinds = append(t.Kinds, k)
		}
	}
	t.Ticks = ticks(end)
	return t
}

func newLaneBar(s Span, row int, whole time.Duration) laneBar {
	class := "k-other"
	if slices.Contains(SpanKinds, s.Kind) {
		class = "k-" + s.Kind
	}
	text := Line(s.Name, 60)
	if text == "" {
		text = Line(s.Kind, 40)
	}
	// A bar of nothing is still to be seen, and stays inside the picture.
	width := max(100*float64(s.End-s.Start)/float64(whole), 0.35)
	x := min(100*float64(s.Start)/float64(whole), 100-width)
	b := laneBar{Y: row*rowHeight + (rowHeight-barHeight)/2, Failed: !s.OK}
	if !s.OK {
		text = "✗ " + text
		class += " failed"
	}
	b.bar = bar{X: fmt.Sprintf("%.3f%%", x), W: fmt.Sprintf("%.3f%%", width), Class: class, Text: text,
		Title: fmt.Sprintf("%s %s: %s from %s on, %s", Line(s.Kind, 40), Line(s.Name, 200), roughly(s.End-s.Start), clock(s.Start), okWord(s.OK))}
	// A word that shows half its first letter says nothing.
	letters := float64(len([]rune(text)))
	if need := 1.0 + 0.75*letters; width < need && width < 7 {
		b.Text = ""
	}
	b.Roomy = width < 4+2.2*letters // of some 300 pixels
	return b
}

func okWord(ok bool) string {
	if ok {
		return "done"
	}
	return "failed"
}

// ticks are at most seven round times.
func ticks(end time.Duration) []tick {
	step := time.Hour * 24
	for _, s := range []time.Duration{
		100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second,
		30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if end/s <= 6 {
			step = s
			break
		}
	}
	var out []tick
	for at := time.Duration(0); at <= end && len(out) < 400; at += step {
		t := tick{X: percent(at, end), Anchor: "start", Text: clock(at)}
		if 100*at > 94*end {
			t.Anchor = "end"
		}
		out = append(out, t)
	}
	return out
}

// clock is an offset as hours, minutes and seconds: "4:05", "1:00:00", "0.5".
func clock(d time.Duration) string {
	d = max(d, 0)
	if d%time.Second != 0 && d < 10*time.Second {
		return strings.TrimSuffix(fmt.Sprintf("0:%04.1f", d.Seconds()), ".0")
	}
	s := int64(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
