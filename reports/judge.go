package reports

import "fmt"

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
			if c.Outcome == Failed && c.Known != nil {
				n.Known++
			}
			if c.Outcome == Failed && !c.Blocking {
				n.Advisory++
			}
		}
	}
	return n
}

// Judge turns cases into a verdict and the sentence that says why.
//
// A blocking failure that is the image's and that no known-failure entry
// covers rejects. Otherwise any blocking case that was not answered (errored,
// failed by another's fault, or in a state this version does not know) leaves
// the run undecided, and so does a run or a criterion in which no blocking
// case was answered at all. Only what is left is accepted.
func Judge(suites []Suite) (Verdict, string) {
	var rejected, open []Case
	var hollow []string
	answered := 0
	for _, s := range suites {
		blocking, here := 0, 0
		for _, c := range s.Cases {
			if !c.Blocking {
				continue
			}
			blocking++
			switch {
			case c.Outcome == Passed && c.Fault == FaultNone:
				here++
			case c.Outcome == Skipped:
			case c.Outcome == Failed && c.Fault == FaultImage:
				here++
				if c.Known == nil {
					rejected = append(rejected, c)
				}
			default:
				open = append(open, c)
			}
		}
		answered += here
		if blocking > 0 && here == 0 {
			hollow = append(hollow, s.Name)
		}
	}
	switch {
	case len(rejected) == 1:
		return Rejected, fmt.Sprintf("%s failed: %s", rejected[0].ID, rejected[0].Message)
	case len(rejected) > 1:
		return Rejected, fmt.Sprintf("%d blocking checks failed, first %s: %s",
			len(rejected), rejected[0].ID, rejected[0].Message)
	case len(open) > 0:
		return Undecided, fmt.Sprintf("%d blocking checks were not answered, first %s (%s): %s",
			len(open), open[0].ID, open[0].Fault, open[0].Message)
	case answered == 0:
		return Undecided, "no blocking check was answered"
	case len(hollow) > 0:
		return Undecided, fmt.Sprintf("criterion %q has no answered blocking check: everything in it was skipped", hollow[0])
	}
	return Accepted, fmt.Sprintf("all %d blocking checks that apply passed", answered)
}
