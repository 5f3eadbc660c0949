package reports

import (
	"fmt"
	"slices"
	"time"
)

// A case is slower when it took SlowerFactor times as long and SlowerBy more:
// the first keeps long checks from crying over seconds, the second short ones
// over noise.
const (
	SlowerFactor = 1.5
	SlowerBy     = 2 * time.Second
)

// Comparison is what changed from run A to run B.
type Comparison struct {
	A Side `json:"a"`
	B Side `json:"b"`
	// Identity is what differs between the two images.
	Identity []FieldChange `json:"identity"`
	// NewlyFailing are the image's failures in B that were none in A. Known
	// and advisory failures are among them: compare Before and After.
	NewlyFailing []CaseChange `json:"newly_failing"`
	NewlyPassing []CaseChange `json:"newly_passing"`
	StillFailing []CaseChange `json:"still_failing"`
	// NewlyOpen were answered in A and are not in B; StillOpen in neither.
	NewlyOpen []CaseChange `json:"newly_unanswered"`
	StillOpen []CaseChange `json:"still_unanswered"`
	// NewlySkipped were asked in A and skipped in B; NoLongerSkipped the reverse
	// (unless they fail: those are newly failing).
	NewlySkipped    []CaseChange `json:"newly_skipped"`
	NoLongerSkipped []CaseChange `json:"no_longer_skipped"`
	// New are in B only and Gone in A only. A new check that fails is here
	// and not under NewlyFailing: nothing got worse that had been seen.
	New  []CaseChange `json:"new"`
	Gone []CaseChange `json:"gone"`
	// OtherChoice is true when the runs were told to run different checks: then
	// what is New or Gone was not asked for in the other.
	OtherChoice bool `json:"other_choice"`
	// Slower and Faster passed in both runs, the greatest change first. Empty
	// when the two ran under different accelerators (see Notes).
	Slower []CaseChange `json:"slower"`
	Faster []CaseChange `json:"faster"`
	// Boots are the boots of a kind that both runs have, by their medians.
	Boots []BootChange `json:"boots"`
	// Notes say what was not compared, and why.
	Notes []string `json:"notes"`
}

// Side is one of the two runs.
type Side struct {
	Run     string    `json:"run"`
	Dir     string    `json:"dir,omitempty"`
	Image   string    `json:"image"`
	Digest  string    `json:"digest"`
	Started time.Time `json:"started"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason"`
	Counts  Counts    `json:"counts"`
}

// FieldChange is a difference in what a run says of its image.
type FieldChange struct {
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// CaseChange is one check in both runs. Before or After is empty for a check
// that is in one run only.
type CaseChange struct {
	ID       CaseID  `json:"id"`
	Title    string  `json:"title"`
	Before   Outcome `json:"before,omitempty"`
	After    Outcome `json:"after,omitempty"`
	Blocking bool    `json:"blocking"`
	// Known is whether a known-failure entry covers it in B.
	Known bool `json:"known,omitempty"`
	// Message and Replay are B's, or A's for a check that is gone.
	Message string        `json:"message,omitempty"`
	Replay  string        `json:"replay,omitempty"`
	Took    time.Duration `json:"before_ns"`
	Takes   time.Duration `json:"after_ns"`
}

// BootChange compares the boots of one kind.
type BootChange struct {
	Kind string `json:"kind"`
	// Phase is "ready" (power-on to first command) or a phase of the guest's
	// own account: "firmware and boot loader", "kernel", "initrd", "user space".
	Phase  string        `json:"phase"`
	Before time.Duration `json:"before_ns"`
	After  time.Duration `json:"after_ns"`
	// Slower is by the same rule as for cases.
	Slower bool `json:"slower"`
}

// Worse reports whether an image's failure is in B that was not in A, or an
// answer is missing that was there.
func (c Comparison) Worse() bool { return len(c.NewlyFailing)+len(c.NewlyOpen) > 0 }

// Compare says what changed from a to b. A check that ran more than once in a
// run counts with its gravest outcome and longest time.
func Compare(a, b *Run) Comparison {
	c := Comparison{A: sideOf(a), B: sideOf(b), Identity: identityChanges(a.Image, b.Image)}
	before, gone := byID(a)
	after, order := byID(b)
	timed := a.Host.Accelerator == b.Host.Accelerator
	if !timed {
		c.Notes = append(c.Notes, "times are not compared: the first run was under "+
			Line(acceleratorWords(a.Host.Accelerator), 40)+", the second under "+Line(acceleratorWords(b.Host.Accelerator), 40))
	}
	if first, second := a.Selection.String(), b.Selection.String(); first != second {
		c.OtherChoice = true
		c.Notes = append(c.Notes, fmt.Sprintf("the first run was of %s, the second of %s", Line(first, 200), Line(second, 200)))
	}
	for _, id := range order {
		now := after[id]
		was, ok := before[id]
		change := changeOf(was, now)
		if !ok {
			change.Before = ""
			c.New = append(c.New, change)
			continue
		}
		if list := c.listFor(was, now); list != nil {
			*list = append(*list, change)
		} else if timed && was.Outcome == Passed && now.Outcome == Passed {
			if isSlower(was.Duration, now.Duration) {
				c.Slower = append(c.Slower, change)
			} else if isSlower(now.Duration, was.Duration) {
				c.Faster = append(c.Faster, change)
			}
		}
	}
	for _, id := range gone {
		if _, ok := after[id]; !ok {
			change := changeOf(before[id], before[id])
			change.After, change.Takes = "", 0
			c.Gone = append(c.Gone, change)
		}
	}
	slices.SortStableFunc(c.New, func(x, y CaseChange) int { return grave(y.After) - grave(x.After) })
	byGap := func(x, y CaseChange) int {
		return int(max(min((y.Takes-y.Took).Abs()-(x.Takes-x.Took).Abs(), 1), -1))
	}
	slices.SortStableFunc(c.Slower, byGap)
	slices.SortStableFunc(c.Faster, byGap)
	if timed {
		c.Boots = bootChanges(a.Boots, b.Boots)
	}
	return c
}

// listFor is where a check that is in both runs belongs, nil for one that
// passed, or was skipped, in both.
func (c *Comparison) listFor(was, now Case) *[]CaseChange {
	failedBefore, failedNow := imageFailed(was), imageFailed(now)
	openBefore, openNow := !answered(was), !answered(now)
	switch {
	case failedNow && failedBefore:
		return &c.StillFailing
	case failedNow:
		return &c.NewlyFailing
	case openNow && openBefore:
		return &c.StillOpen
	case openNow:
		return &c.NewlyOpen
	case now.Outcome == Skipped && was.Outcome != Skipped:
		return &c.NewlySkipped
	case now.Outcome == Passed && (failedBefore || openBefore):
		return &c.NewlyPassing
	case now.Outcome != Skipped && was.Outcome == Skipped:
		return &c.NoLongerSkipped
	}
	return nil
}

func imageFailed(c Case) bool { return c.Outcome == Failed && c.Fault == FaultImage }

// answered is true for a case that says something of the image, be it that the
// question does not apply.
func answered(c Case) bool {
	return c.Outcome == Passed || c.Outcome == Skipped || imageFailed(c)
}

// grave orders outcomes from the mildest on.
func grave(o Outcome) int {
	return slices.Index([]Outcome{Skipped, Passed, Errored, Failed}, o)
}

func isSlower(was, now time.Duration) bool {
	return float64(now) > SlowerFactor*float64(was) && now-was > SlowerBy
}

func byID(r *Run) (map[CaseID]Case, []CaseID) {
	all := map[CaseID]Case{}
	var order []CaseID
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			old, ok := all[c.ID]
			if !ok {
				order = append(order, c.ID)
			} else {
				longest := max(old.Duration, c.Duration)
				if grave(c.Outcome) <= grave(old.Outcome) {
					c = old
				}
				c.Duration = longest
			}
			all[c.ID] = c
		}
	}
	return all, order
}

func changeOf(was, now Case) CaseChange {
	return CaseChange{ID: now.ID, Title: now.Title, Before: was.Outcome, After: now.Outcome, Blocking: now.Blocking,
		Known: now.Known.Covers(), Message: now.Message, Replay: now.Replay, Took: was.Duration, Takes: now.Duration}
}

func sideOf(r *Run) Side {
	return Side{Run: r.ID, Dir: r.Dir, Image: r.Image.Name, Digest: string(r.Image.Digest), Started: r.Started,
		Verdict: r.Verdict, Reason: r.Reason, Counts: Count(r.Suites)}
}

func identityChanges(a, b Image) []FieldChange {
	var out []FieldChange
	for _, f := range []FieldChange{
		{"name", a.Name, b.Name}, {"digest", string(a.Digest), string(b.Digest)}, {"os", a.OS, b.OS},
		{"kernel", a.Kernel, b.Kernel}, {"ostree version", a.OSTreeVersion, b.OSTreeVersion},
		{"ostree commit", a.OSTreeCommit, b.OSTreeCommit}, {"ostree ref", a.OSTreeRef, b.OSTreeRef},
		{"arch", string(a.Arch), string(b.Arch)}, {"firmware", string(a.Firmware), string(b.Firmware)},
		{"format", string(a.Format), string(b.Format)}, {"stream", a.Stream, b.Stream},
		{"disk size", sizeText(a.VirtualSize), sizeText(b.VirtualSize)},
	} {
		if f.Before != f.After {
			out = append(out, f)
		}
	}
	return out
}

func sizeText(n int64) string {
	if n == 0 {
		return ""
	}
	return bytesText(n)
}

func bootChanges(a, b []Boot) []BootChange {
	var out []BootChange
	for _, kind := range BootKinds {
		for _, p := range append([]phase{{text: "ready", of: func(b Boot) time.Duration { return b.ToReady }}}, phases...) {
			was, now := median(a, kind, p.of), median(b, kind, p.of)
			if was > 0 && now > 0 {
				out = append(out, BootChange{Kind: kind, Phase: p.text, Before: was, After: now, Slower: isSlower(was, now)})
			}
		}
	}
	return out
}

// median of what is known of the boots of a kind; 0 when nothing is.
func median(boots []Boot, kind string, of func(Boot) time.Duration) time.Duration {
	var all []time.Duration
	for _, b := range boots {
		if d := of(b); b.Kind == kind && d > 0 {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
