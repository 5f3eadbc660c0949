package reports

// group is the cases of a run that need a reader's eye for one reason.
type group struct {
	standing Standing
	cases    []Case
}

// grouped returns what did not pass, gravest first, in the order of the run
// within each group. Groups without cases are left out.
func grouped(suites []Suite) []group {
	var out []group
	for _, st := range []Standing{Rejects, Open, Noted, Excused} {
		g := group{standing: st}
		for _, s := range suites {
			for _, c := range s.Cases {
				if c.Standing() == st {
					g.cases = append(g.cases, c)
				}
			}
		}
		if len(g.cases) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// heading says in words what the group's cases have in common.
func (g group) heading() string {
	switch g.standing {
	case Rejects:
		return "Failed"
	case Open:
		return "Not answered"
	case Noted:
		return "Advisory"
	}
	return "Known failures"
}

// mark is the group's sign for a terminal and for the page.
func (g group) mark() string { return g.standing.mark() }

func (s Standing) mark() string {
	switch s {
	case Holds:
		return "✓"
	case Absent:
		return "–"
	case Noted:
		return "!"
	case Excused:
		return "~"
	case Open:
		return "?"
	}
	return "✗"
}
