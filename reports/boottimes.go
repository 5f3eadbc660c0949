package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// bootTimes is where boots spent their time.
type bootTimes struct {
	Rows   []bootRow
	Phases []bar // those that occur, for the legend: Class and Text
	Forks  string
}

type bootRow struct {
	Name, Total, Ready string
	Phases             []bar
	Slowest            []unitRow
}

type unitRow struct{ Unit, Took, W string }

// slowestUnits bounds the list of slow units under a boot.
const slowestUnits = 8

// phase is one part of a boot, as the page colours and calls it.
type phase struct {
	class, text string
	of          func(Boot) time.Duration
}

var phases = []phase{
	{"p-loader", "firmware and boot loader", func(b Boot) time.Duration { return b.Loader }},
	{"p-kernel", "kernel", func(b Boot) time.Duration { return b.Kernel }},
	{"p-initrd", "initrd", func(b Boot) time.Duration { return b.Initrd }},
	{"p-userspace", "user space", func(b Boot) time.Duration { return b.Userspace }},
}

// newBootTimes is nil for a run that says nothing of its boots.
func newBootTimes(boots []Boot) *bootTimes {
	t := &bootTimes{}
	longest := time.Duration(1)
	for _, b := range boots {
		longest = max(longest, b.total())
	}
	occurs := map[string]bool{}
	var forks []time.Duration
	for _, b := range boots {
		if b.Kind == "fork" && b.total() == 0 {
			forks = append(forks, b.ToReady)
			continue
		}
		r := bootRow{Name: Line(b.Guest, 60)}
		if b.Kind != "" {
			r.Name += ", " + Line(b.Kind, 40)
		}
		if b.Firmware != "" {
			r.Name += ", " + strings.ToUpper(Line(string(b.Firmware), 40))
		}
		if b.total() > 0 {
			r.Total = roughly(b.total())
		}
		r.Ready = readyText(b)
		at := time.Duration(0)
		for _, p := range phases {
			d := max(p.of(b), 0)
			if d == 0 {
				continue
			}
			occurs[p.class] = true
			label := roughly(d)
			if float64(d)/float64(longest) < 0.07 {
				label = ""
			}
			r.Phases = append(r.Phases, bar{X: percent(at, longest), W: percent(d, longest), Class: p.class, Text: label,
				Title: p.text + ": " + roughly(d)})
			at += d
		}
		for i, u := range b.Slowest {
			if i == slowestUnits {
				break
			}
			r.Slowest = append(r.Slowest, unitRow{Line(u.Unit, 200), roughly(u.Took), percent(max(u.Took, 0), max(b.Slowest[0].Took, u.Took))})
		}
		t.Rows = append(t.Rows, r)
	}
	for _, p := range phases {
		if occurs[p.class] {
			t.Phases = append(t.Phases, bar{Class: p.class, Text: p.text})
		}
	}
	if len(forks) > 0 {
		slices.Sort(forks)
		t.Forks = fmt.Sprintf("%s, ready after %s", plural(len(forks), "fork"), roughly(forks[0]))
		if len(forks) > 1 {
			t.Forks += fmt.Sprintf(" to %s, half of them within %s", roughly(forks[len(forks)-1]), roughly(forks[len(forks)/2]))
		}
	}
	if len(t.Rows) == 0 && t.Forks == "" {
		return nil
	}
	return t
}

// total is what the guest itself accounts for.
func (b Boot) total() time.Duration {
	var d time.Duration
	for _, p := range phases {
		d += max(p.of(b), 0)
	}
	return d
}

func readyText(b Boot) string {
	var s []string
	if b.ToBanner > 0 {
		s = append(s, "SSH banner after "+roughly(b.ToBanner))
	}
	if b.ToReady > 0 {
		s = append(s, "ready after "+roughly(b.ToReady))
	}
	return strings.Join(s, ", ")
}
