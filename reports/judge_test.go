package reports

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func blocking(id CaseID, o Outcome, f Fault) Case {
	return Case{ID: id, Blocking: true, Outcome: o, Fault: f, Message: "because"}
}

func advisory(id CaseID, o Outcome, f Fault) Case {
	c := blocking(id, o, f)
	c.Blocking = false
	return c
}

func knownCase(id CaseID, tracker string) Case {
	c := blocking(id, Failed, FaultImage)
	c.Known = &Known{Tracker: tracker, Expires: "2099-01-01"}
	return c
}

func suite(name string, cases ...Case) Suite { return Suite{Name: name, Cases: cases} }

func inapplicable(id CaseID) Case {
	c := blocking(id, Skipped, "")
	c.Inapplicable = true
	return c
}

func TestJudge(t *testing.T) {
	pass := blocking("a/pass", Passed, FaultNone)
	for _, c := range []struct {
		name   string
		suites []Suite
		want   Verdict
		reason string
	}{
		{"nothing", nil, Undecided, "no blocking check was answered"},
		{"all pass", []Suite{suite("a", pass, blocking("a/b", Passed, ""))}, Accepted, "all 2 blocking checks that apply passed"},
		{"one passes", []Suite{suite("a", pass)}, Accepted, "the 1 blocking check that applies passed"},
		{"one fails", []Suite{suite("a", pass, blocking("a/b", Failed, FaultImage))}, Rejected, "a/b failed: because"},
		{"two fail", []Suite{suite("a", blocking("a/b", Failed, FaultImage), blocking("a/c", Failed, FaultImage))}, Rejected, "2 blocking checks failed, first a/b: because"},
		{"advisory fails", []Suite{suite("a", pass, advisory("a/b", Failed, FaultImage))}, Accepted, "1 blocking check"},
		{"advisory errs", []Suite{suite("a", pass, advisory("a/b", Errored, FaultInfra))}, Accepted, ""},
		{"only advisory", []Suite{suite("a", advisory("a/b", Passed, ""))}, Undecided, "no blocking check was answered"},
		{"advisory criterion beside a good one", []Suite{suite("a", pass), suite("b", advisory("b/b", Passed, ""))}, Accepted, ""},
		{"errored", []Suite{suite("a", pass, blocking("a/b", Errored, FaultInfra))}, Undecided, "1 blocking check was not answered: a/b (infra): because"},
		{"two errored", []Suite{suite("a", blocking("a/b", Errored, FaultTest), blocking("a/c", Errored, FaultInfra))}, Undecided, "2 blocking checks were not answered, first a/b (test)"},
		{"errored by the image", []Suite{suite("a", pass, blocking("a/b", Errored, FaultImage))}, Undecided, ""},
		{"failed by the infrastructure", []Suite{suite("a", pass, blocking("a/b", Failed, FaultInfra))}, Undecided, ""},
		{"failed by nobody", []Suite{suite("a", pass, blocking("a/b", Failed, FaultNone))}, Undecided, ""},
		{"passed with a fault", []Suite{suite("a", pass, blocking("a/b", Passed, FaultInfra))}, Undecided, ""},
		{"skipped with a fault", []Suite{suite("a", pass, blocking("a/b", Skipped, FaultInfra))}, Undecided, ""},
		{"outcome of the future", []Suite{suite("a", pass, blocking("a/b", "pending", ""))}, Undecided, ""},
		{"no outcome", []Suite{suite("a", pass, blocking("a/b", "", ""))}, Undecided, ""},
		{"fault of the future", []Suite{suite("a", pass, blocking("a/b", Failed, "vendor"))}, Undecided, "(vendor)"},
		{"rejection beats missing answers", []Suite{suite("a", blocking("a/b", Errored, FaultInfra), blocking("a/c", Failed, FaultImage))}, Rejected, "a/c"},
		{"all skipped", []Suite{suite("a", blocking("a/b", Skipped, ""))}, Undecided, "everything in it was skipped (because)"},
		{"one criterion skipped", []Suite{suite("a", pass), suite("b", blocking("b/b", Skipped, ""))}, Undecided, `criterion "b"`},
		{"criterion of another kind of image", []Suite{suite("a", pass), suite("b", inapplicable("b/b"), inapplicable("b/c"))}, Accepted, `passed; criterion "b" does not apply: because`},
		{"partly of another kind", []Suite{suite("a", pass), suite("b", inapplicable("b/b"), blocking("b/c", Skipped, ""))}, Undecided, `criterion "b"`},
		{"of another kind and errored", []Suite{suite("a", pass), suite("b", inapplicable("b/b"), blocking("b/c", Errored, FaultInfra))}, Undecided, "b/c"},
		{"of another kind by its own word", []Suite{suite("a", pass), suite("b", Case{ID: "b/b", Outcome: Errored, Fault: FaultInfra, Blocking: true, Inapplicable: true})}, Undecided, "b/b"},
		{"everything of another kind", []Suite{suite("b", inapplicable("b/b"))}, Undecided, "no blocking check"},
		{"criterion in two parts", []Suite{suite("a", pass), suite("a", blocking("a/b", Skipped, ""))}, Accepted, ""},
		{"criterion of skips and advisory passes", []Suite{suite("a", pass), suite("b", blocking("b/b", Skipped, ""), advisory("b/c", Passed, ""))}, Undecided, `criterion "b"`},
		{"empty criterion", []Suite{suite("a", pass), suite("b")}, Undecided, "nothing in it ran"},
		{"known failure", []Suite{suite("a", pass, knownCase("a/b", "https://t/1"))}, Accepted, "1 blocking check passed, 1 known failure excused"},
		{"known failure without tracker", []Suite{suite("a", pass, knownCase("a/b", ""))}, Rejected, "a/b"},
		{"only a known failure", []Suite{suite("a", knownCase("a/b", "https://t/1"))}, Undecided, "no blocking check passed"},
		{"a criterion with only a known failure", []Suite{suite("a", pass), suite("b", knownCase("b/b", "https://t/1"))}, Accepted, ""},
		{"a known failure covers no missing answer", []Suite{suite("a", pass, func() Case {
			c := knownCase("a/b", "https://t/1")
			c.Outcome, c.Fault = Errored, FaultInfra
			return c
		}())}, Undecided, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, reason := Judge(c.suites)
			if got != c.want || !strings.Contains(reason, c.reason) {
				t.Errorf("Judge = %s, %q; want %s with %q", got, reason, c.want, c.reason)
			}
		})
	}
}

// TestReasonIsOneSentence: what a guest said cannot make the verdict a page.
func TestReasonIsOneSentence(t *testing.T) {
	c := blocking("a/b", Failed, FaultImage)
	c.Message = "line one\r\nline two\x1b[2J" + strings.Repeat(" word", 1000)
	_, reason := Judge([]Suite{suite("a", c)})
	if strings.ContainsAny(reason, "\n\r\x1b") || len(reason) > reasonLimit+40 || !strings.Contains(reason, "line one line two word") {
		t.Errorf("reason is %d bytes: %.200q", len(reason), reason)
	}
	c.Message = ""
	if _, reason = Judge([]Suite{suite("a", c)}); reason != "a/b failed" {
		t.Errorf("reason without a message is %q", reason)
	}
}

// randomSuites makes runs of every mixture, words from the future included.
func randomSuites(r *rand.Rand) []Suite {
	outcomes := append([]Outcome{"", "pending"}, Outcomes...)
	faults := append([]Fault{"vendor"}, Faults...)
	suites := make([]Suite, r.IntN(4))
	for i := range suites {
		suites[i].Name = string(rune('a' + r.IntN(3)))
		for range r.IntN(5) {
			c := Case{ID: "a/b", Blocking: r.IntN(4) > 0, Outcome: outcomes[r.IntN(len(outcomes))], Fault: faults[r.IntN(len(faults))]}
			// Most cases make sense, or nothing would ever be accepted.
			if r.IntN(8) > 0 {
				c.Outcome = []Outcome{Passed, Passed, Passed, Skipped, Failed}[r.IntN(5)]
				c.Fault = FaultNone
				if c.Outcome == Failed {
					c.Fault = FaultImage
				}
			}
			if r.IntN(2) == 0 {
				c.Known = &Known{Tracker: []string{"", "https://t/1"}[r.IntN(2)]}
			}
			suites[i].Cases = append(suites[i].Cases, c)
		}
	}
	return suites
}

// TestJudgeProperties states what must hold of any run, in other words than
// Judge's own.
func TestJudgeProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[Verdict]int{}
	for n := range 8_000 {
		suites := randomSuites(r)
		verdict, reason := Judge(suites)
		seen[verdict]++
		passes, rejects, nonsense := 0, 0, 0
		for _, s := range suites {
			for _, c := range s.Cases {
				if !c.Blocking {
					continue
				}
				sound := c.Outcome == Passed && c.Fault == "" || c.Outcome == Skipped && c.Fault == "" || c.Outcome == Failed && c.Fault == FaultImage
				switch {
				case !sound:
					nonsense++
				case c.Outcome == Passed:
					passes++
				case c.Outcome == Failed && (c.Known == nil || c.Known.Tracker == ""):
					rejects++
				}
			}
		}
		if reason == "" {
			t.Fatalf("run %d: %s without a reason", n, verdict)
		}
		if verdict == Accepted && (passes == 0 || rejects > 0 || nonsense > 0) {
			t.Fatalf("run %d accepted with %d passes, %d failures, %d unanswered: %+v", n, passes, rejects, nonsense, suites)
		}
		if (verdict == Rejected) != (rejects > 0) {
			t.Fatalf("run %d is %s with %d failures: %+v", n, verdict, rejects, suites)
		}
		// Advisory cases never change anything but whether a criterion has a case.
		for i := range suites {
			suites[i].Cases = append(suites[i].Cases, advisory("a/z", Outcome("pending"), "vendor"))
		}
		after, _ := Judge(suites)
		if verdict != after && !(verdict == Undecided && strings.Contains(reason, "has no case")) {
			t.Fatalf("run %d: %s became %s by advisory cases", n, verdict, after)
		}
		// A further missing answer is never to an image's good.
		if len(suites) > 0 {
			suites[0].Cases = append(suites[0].Cases, blocking("a/y", Errored, FaultInfra))
			if v, _ := Judge(suites); v == Accepted {
				t.Fatalf("run %d accepted with a missing answer", n)
			}
		}
	}
	for _, v := range Verdicts {
		if seen[v] < 100 {
			t.Errorf("only %d of the random runs are %s: the properties say little", seen[v], v)
		}
	}
}

func TestCount(t *testing.T) {
	got := Count([]Suite{suite("a", blocking("a/a", Passed, ""), blocking("a/b", Failed, FaultImage), knownCase("a/c", "https://t"),
		advisory("a/d", Failed, FaultImage), blocking("a/e", Skipped, ""), blocking("a/f", Errored, FaultInfra), blocking("a/g", "odd", ""))})
	want := Counts{Total: 7, Passed: 1, Failed: 3, Skipped: 1, Errored: 2, BlockingRun: 3, Known: 1, Advisory: 1}
	if got != want {
		t.Errorf("Count = %+v, want %+v", got, want)
	}
}
