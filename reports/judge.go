package reports

import (
	"fmt"
	"strings"
)

// Count folds the cases of all suites.
func Count(suites []Suite) Counts {
	var n Counts
	for _, s := range suites {
		for _, c := range s.Cases {
			n.Total++
			switch c.Outcome {
			case Passed:
				n.Passed++
			case Failed:
				n.Failed++
			case Skipped:
				n.Skipped++
			default:
				n.Errored++
			}
			if c.Blocking && (c.Outcome == Passed || c.Outcome == Failed) {
				n.BlockingRun++
			}
			if c.Outcome == Failed && c.Known.Covers() {
				n.Known++
			}
			if c.Outcome == Failed && !c.Blocking {
				n.Advisory++
			}
		}
	}
	return n
}

// Standing is what one case does to the verdict of its run.
type Standing int

// The standings, mildest first.
const (
	// Holds is a promise that was asked about and kept.
	Holds Standing = iota
	// Absent is a skip: the question does not apply to this image.
	Absent
	// Noted is an advisory case that did not pass. It never changes a verdict.
	Noted
	// Excused is the image's failure that a known-failure entry covers,
	// blocking or advisory.
	Excused
	// Open is a blocking question without an answer, or with one that makes no
	// sense (a pass that is somebody's fault, an outcome from the future).
	Open
	// Rejects is a blocking failure that is the image's.
	Rejects
)

// Standing says what c does to the verdict.
func (c Case) Standing() Standing {
	switch {
	case c.Outcome == Passed && c.Fault == FaultNone:
		return Holds
	case c.Outcome == Skipped && c.Fault == FaultNone:
		return Absent
	case c.Outcome == Failed && c.Fault == FaultImage && c.Known.Covers():
		return Excused
	case !c.Blocking:
		return Noted
	case c.Outcome == Failed && c.Fault == FaultImage:
		return Rejects
	}
	return Open
}

// Judge turns cases into a verdict and the sentence that says why.
//
// A blocking failure that is the image's and that no known-failure entry
// covers rejects. Otherwise any blocking case that was not answered (errored,
// failed by another's fault, or in a state this version does not know) leaves
// the run undecided, and so does a criterion without any case or whose
// blocking cases were all skipped, and a run in which no blocking case passed.
// Only what is left is accepted. A criterion whose blocking cases all found that
// they are not about this kind of image is named beside the acceptance.
//
// Suites of one name are one criterion: a run may bring its cases in parts.
func Judge(suites []Suite) (Verdict, string) {
	var rejected, open []Case
	var order []string
	type tally struct {
		cases, blocking, answered, inapplicable int
		skipped                                 string // why the first of them was
	}
	criteria := map[string]*tally{}
	passed, excused := 0, 0
	for _, s := range suites {
		t := criteria[s.Name]
		if t == nil {
			t = &tally{}
			criteria[s.Name] = t
			order = append(order, s.Name)
		}
		for _, c := range s.Cases {
			t.cases++
			if !c.Blocking {
				continue
			}
			t.blocking++
			switch c.Standing() {
			case Holds:
				t.answered++
				passed++
			case Excused:
				t.answered++
				excused++
			case Rejects:
				t.answered++
				rejected = append(rejected, c)
			case Absent:
				if t.skipped == "" {
					t.skipped = c.Message
				}
				if c.Outcome == Skipped && c.Inapplicable {
					t.inapplicable++
				}
			default:
				open = append(open, c)
			}
		}
	}
	switch {
	case len(rejected) == 1:
		return Rejected, said("", rejected[0])
	case len(rejected) > 1:
		return Rejected, said(fmt.Sprintf("%d blocking checks failed, first ", len(rejected)), rejected[0])
	case len(open) == 1:
		return Undecided, said("1 blocking check was not answered: ", open[0])
	case len(open) > 1:
		return Undecided, said(fmt.Sprintf("%d blocking checks were not answered, first ", len(open)), open[0])
	}
	beside := ""
	for _, name := range order {
		switch t := criteria[name]; {
		case t.blocking > 0 && t.inapplicable == t.blocking:
			beside += fmt.Sprintf("; criterion %q does not apply: %s", name, Line(t.skipped, reasonLimit/4))
		case t.cases == 0:
			return Undecided, fmt.Sprintf("criterion %q has no case: nothing in it ran", name)
		case t.blocking > 0 && t.answered == 0:
			why := ""
			if t.skipped != "" {
				why = " (" + Line(t.skipped, reasonLimit) + ")"
			}
			return Undecided, fmt.Sprintf("criterion %q has no answered blocking check: everything in it was skipped%s", name, why)
		}
	}
	switch {
	case passed == 0 && excused > 0:
		return Undecided, fmt.Sprintf("no blocking check passed: the only ones answered are %s", plural(excused, "known failure"))
	case passed == 0:
		return Undecided, "no blocking check was answered"
	case excused > 0:
		return Accepted, fmt.Sprintf("%s passed, %s excused%s", plural(passed, "blocking check"), plural(excused, "known failure"), beside)
	case passed == 1:
		return Accepted, "the 1 blocking check that applies passed" + beside
	}
	return Accepted, fmt.Sprintf("all %d blocking checks that apply passed%s", passed, beside)
}

// Conclude fills in Counts, Verdict and Reason from the suites.
func (r *Run) Conclude() {
	r.Counts = Count(r.Suites)
	r.Verdict, r.Reason = Judge(r.Suites)
}

// reasonLimit keeps the verdict one sentence, whatever a guest made a check
// say. In bytes.
const reasonLimit = 400

// said is the verdict's sentence about one case.
func said(before string, c Case) string {
	var b strings.Builder
	b.WriteString(before)
	b.WriteString(string(c.ID))
	switch {
	case c.Outcome == Failed && c.Fault == FaultImage && before == "":
		b.WriteString(" failed")
	case c.Fault != FaultNone && c.Fault != FaultImage:
		fmt.Fprintf(&b, " (%s)", c.Fault)
	}
	if m := Line(c.Message, reasonLimit); m != "" {
		b.WriteString(": " + m)
	}
	return b.String()
}

// plural writes "1 thing" or "n things".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
