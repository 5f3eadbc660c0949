package greenwave

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Objection is a reason without a test case.
type Objection struct {
	// Open is true when the answer may still come.
	Open bool
	Text string
}

// ObjectionTestCase is the test case that requirements made of objections name.
const ObjectionTestCase = "assay.release"

// RemoteFile is a gating.yaml that was looked for.
type RemoteFile struct {
	Source string
	// Found is false when there is none; Err when it could not be asked for.
	Found bool
	Err   error
	Data  []byte
}

// Decision is the answer.
type Decision struct {
	Satisfied   bool          `json:"policies_satisfied"`
	Summary     string        `json:"summary"`
	Policies    []string      `json:"applicable_policies"`
	Met         []Requirement `json:"satisfied_requirements"`
	Unsatisfied []Requirement `json:"unsatisfied_requirements"`
	Results     []Result      `json:"results,omitempty"`
	Waivers     []Waiver      `json:"waivers,omitempty"`
}

// Requirement is one line of a decision; fields that do not apply are left out.
type Requirement struct {
	Type        string `json:"type"`
	TestCase    string `json:"testcase,omitempty"`
	SubjectType string `json:"subject_type,omitempty"`
	Identifier  string `json:"subject_identifier,omitempty"`
	ResultID    int64  `json:"result_id,omitempty"`
	WaiverID    int64  `json:"waiver_id,omitempty"`
	// Scenario is null for tests without one, absent where it has no meaning.
	Scenario     *Nullable `json:"scenario,omitempty"`
	Architecture *Nullable `json:"system_architecture,omitempty"`
	Variant      *Nullable `json:"system_variant,omitempty"`
	ErrorReason  string    `json:"error_reason,omitempty"`
	Details      string    `json:"details,omitempty"`
	Sources      []string  `json:"sources,omitempty"`

	satisfied, isTest bool
}

// NotFoundError means that no policy applies: status 404, and never a pass.
type NotFoundError struct{ Text string }

func (e *NotFoundError) Error() string { return e.Text }

// BadRequestError means that the request makes no sense: status 400.
type BadRequestError struct{ Text string }

func (e *BadRequestError) Error() string { return e.Text }

// Outcomes as ResultsDB spells them. All others are failures.
var (
	passed     = []string{"PASSED", "INFO"}
	incomplete = []string{"QUEUED", "RUNNING"}
	errored    = []string{"ERROR"}
)

// Decide answers a request. evidence is asked once for each subject and gets
// the time the decision is for, zero for now. It has no side effects.
func Decide(policies []Policy, q Request, evidence func(Subject, time.Time) (Evidence, error)) (Decision, error) {
	subjects, when, err := q.check()
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Policies: []string{}, Met: []Requirement{}, Unsatisfied: []Requirement{}}
	var all []Requirement
	seen := map[sameness]bool{}
	for _, s := range subjects {
		mine := onDemand(q)
		if len(q.Rules) == 0 {
			for _, p := range policies {
				if p.applies(q.Contexts, q.ProductVersion, s.Type) {
					mine = append(mine, p)
				}
			}
			if len(mine) == 0 {
				if s.Type == "bodhi_update" && len(subjects) > 1 {
					continue // Greenwave lets updates without policies be
				}
				return Decision{}, &NotFoundError{fmt.Sprintf("Found no applicable policies for %s subjects at gating point(s) %s in %s", s.Type, strings.Join(q.Contexts, ", "), q.ProductVersion)}
			}
		}
		ev, err := evidence(s, when)
		if err != nil {
			return Decision{}, fmt.Errorf("cannot decide about %s %s: %w", s.Type, s.Item, err)
		}
		ev.drop(q, when)
		j := newJudge(q, s, ev)
		good := true
		add := func(r Requirement) {
			good = good && r.satisfied
			if k := r.sameness(); !seen[k] {
				seen[k] = true
				all = append(all, r)
			}
		}
		for _, p := range mine {
			if p.ID != "" && !slices.Contains(d.Policies, p.ID) {
				d.Policies = append(d.Policies, p.ID)
			}
			for _, r := range j.policy(p) {
				add(r)
			}
		}
		if good {
			for _, o := range ev.Objections {
				add(j.objection(o))
			}
		}
		if q.Verbose {
			d.Results, d.Waivers = append(d.Results, ev.Results...), append(d.Waivers, ev.Waivers...)
		}
		if len(all) > maxRequirements || len(d.Results)+len(d.Waivers) > maxVerbose {
			return Decision{}, &BadRequestError{fmt.Sprintf("The answer has more than %d requirements, or %d results and waivers: ask about fewer subjects at a time", maxRequirements, maxVerbose)}
		}
	}
	if len(subjects) > 0 && len(d.Policies) == 0 && len(all) == 0 && len(q.Rules) == 0 && !anyApplies(policies, q, subjects) {
		return Decision{}, &NotFoundError{fmt.Sprintf("Found no applicable policies at gating point(s) %s in %s", strings.Join(q.Contexts, ", "), q.ProductVersion)}
	}
	for _, r := range all {
		if r.satisfied {
			d.Met = append(d.Met, r)
		} else {
			d.Unsatisfied = append(d.Unsatisfied, r)
		}
	}
	d.Satisfied = len(d.Unsatisfied) == 0
	d.Summary = summary(all)
	return d, nil
}

func anyApplies(policies []Policy, q Request, subjects []Subject) bool {
	return slices.ContainsFunc(subjects, func(s Subject) bool {
		return slices.ContainsFunc(policies, func(p Policy) bool { return p.applies(q.Contexts, q.ProductVersion, s.Type) })
	})
}

func onDemand(q Request) (out []Policy) {
	if len(q.Rules) == 0 {
		return nil
	}
	p := Policy{}
	for _, r := range q.Rules {
		p.Rules = append(p.Rules, Rule{TestCase: r.TestCase, Scenario: r.Scenario, Remote: r.Type == "RemoteRule", Required: true})
	}
	return []Policy{p}
}

// sameness keeps requirements that two policies share from being counted twice.
type sameness struct {
	kind, testCase, subject, item, scenario, sources, details string
	result                                                    int64
}

func (r Requirement) sameness() sameness {
	s := sameness{r.Type, r.TestCase, r.SubjectType, r.Identifier, r.Scenario.text(), strings.Join(r.Sources, "\x00"), "", r.ResultID}
	if r.TestCase == ObjectionTestCase {
		s.details = r.Details
	}
	return s
}

func summary(rs []Requirement) string {
	var tests, failed, errors, missing int
	for _, r := range rs {
		if !r.isTest {
			continue
		}
		tests++
		switch {
		case r.satisfied:
		case r.Type == "test-result-missing":
			missing++
		case r.Type == "test-result-errored":
			errors++
		default:
			failed++
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
		how  string
	}{{failed, "test", "failed"}, {errors, "test", "errored"}, {missing, "result", "missing"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s%s %s", p.n, p.what, plural(p.n), p.how))
		}
	}
	switch {
	case tests == 0:
		return "No tests are required"
	case len(parts) == 0:
		return fmt.Sprintf("All required tests (%d total) have passed or been waived", tests)
	}
	return fmt.Sprintf("Of %d required test%s, %s", tests, plural(tests), strings.Join(parts, ", "))
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func first(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return l[0]
}
