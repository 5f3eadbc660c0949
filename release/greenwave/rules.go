package greenwave

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// judge answers for one subject.
type judge struct {
	q  Request
	s  Subject
	ev Evidence
	// results are by test case, newest first; waivers those that count.
	results map[string][]Result
	waivers []Waiver
}

func newJudge(q Request, s Subject, ev Evidence) judge {
	return judge{q, s, ev, byTestCase(ev.Results), LatestWaivers(ev.Waivers)}
}

// objection is a requirement that no rule made.
func (j judge) objection(o Objection) Requirement {
	r := Requirement{Type: "test-result-failed", TestCase: ObjectionTestCase, SubjectType: j.s.Type, Identifier: j.s.Item, Scenario: nullable(""), Details: o.Text, isTest: true}
	if o.Open {
		r.Type = "test-result-missing"
	}
	return r
}

func (j judge) policy(p Policy) (out []Requirement) {
	if name := packageName(j.s); name != "" {
		if matchAny(p.Excluded, name) {
			return []Requirement{{Type: "excluded", Identifier: j.s.Item, satisfied: true}}
		}
		if len(p.Packages) > 0 && !matchAny(p.Packages, name) {
			return nil
		}
	}
	for _, r := range p.Rules {
		switch {
		case r.Remote:
			out = append(out, j.remote(r)...)
		case r.covers(j.ev.Time):
			out = append(out, j.rule(r)...)
		}
	}
	return out
}

// packageName is the name in a name-version-release; empty for subjects that
// are none.
func packageName(s Subject) string {
	if s.Type != "koji_build" && s.Type != "redhat-container-image" {
		return ""
	}
	name := s.Item
	for range 2 {
		i := strings.LastIndexByte(name, '-')
		if i <= 0 {
			return s.Item
		}
		name = name[:i]
	}
	return name
}

func (j judge) rule(r Rule) (out []Requirement) {
	results := slices.DeleteFunc(j.latest(r.TestCase), func(x Result) bool {
		return r.Scenario != "" && !slices.Contains(x.Data["scenario"], r.Scenario)
	})
	if len(results) == 0 {
		return []Requirement{j.waive(Requirement{Type: "test-result-missing", TestCase: r.TestCase, Scenario: nullable(r.Scenario)}, r.Scenario)}
	}
	for _, x := range results {
		scenario := first(x.Data["scenario"])
		q := Requirement{TestCase: r.TestCase, ResultID: x.ID}
		switch {
		case slices.Contains(passed, x.Outcome):
			q.Type, q.satisfied, q.isTest = "test-result-passed", true, true
			q.SubjectType, q.Identifier = j.s.Type, j.s.Item
			out = append(out, q)
			continue
		case slices.Contains(incomplete, x.Outcome):
			q.Type = "test-result-missing"
			q.Architecture, q.Variant = nullable(first(x.Data["system_architecture"])), nullable(first(x.Data["system_variant"]))
		case slices.Contains(errored, x.Outcome):
			q.Type, q.ErrorReason = "test-result-errored", x.ErrorReason
		default:
			q.Type = "test-result-failed"
		}
		q.Scenario = nullable(scenario)
		out = append(out, j.waive(q, scenario))
	}
	return out
}

// waive looks for the waiver of an unsatisfied requirement. One without a
// scenario covers all.
func (j judge) waive(q Requirement, scenario string) Requirement {
	q.SubjectType, q.Identifier = j.s.Type, j.s.Item
	q.isTest = true
	for _, w := range j.waivers {
		if w.Waived && w.SubjectType == j.s.Type && w.Identifier == j.s.Item && w.TestCase == q.TestCase && w.ProductVersion == j.q.ProductVersion &&
			(w.Scenario == nil || *w.Scenario == "" || *w.Scenario == scenario) {
			q.Type, q.WaiverID, q.satisfied = q.Type+"-waived", w.ID, true
			return q
		}
	}
	return q
}

// LatestWaivers keeps, of those that speak of the same, the last: waiving is
// taken back by a later waiver that says so.
func LatestWaivers(ws []Waiver) (out []Waiver) {
	key := func(w Waiver) string {
		s := ""
		if w.Scenario != nil {
			s = *w.Scenario
		}
		return strings.Join([]string{w.SubjectType, w.Identifier, w.TestCase, w.ProductVersion, s}, "\x00")
	}
	newest := map[string]Waiver{}
	for _, w := range ws {
		if old, ok := newest[key(w)]; !ok || w.ID > old.ID {
			newest[key(w)] = w
		}
	}
	for _, w := range newest {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Waiver) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// byTestCase sorts results, newest first.
func byTestCase(rs []Result) map[string][]Result {
	type dated struct {
		Result
		at time.Time
	}
	all := make([]dated, len(rs))
	for i, r := range rs {
		at, _ := parseTime(r.SubmitTime) // what cannot be read is the oldest
		all[i] = dated{r, at}
	}
	slices.SortFunc(all, func(a, b dated) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.ID, a.ID)) })
	out := map[string][]Result{}
	for _, r := range all {
		out[r.TestCase.Name] = append(out[r.TestCase.Name], r.Result)
	}
	return out
}

// latest are the last results of a test case for each distinct architecture,
// variant and scenario, newest first.
func (j judge) latest(testCase string) (out []Result) {
	seen := map[string]bool{}
	for _, r := range j.results[testCase] {
		k := strings.Join(slices.Concat(r.Data["system_architecture"], []string{"\x00"}, r.Data["system_variant"], []string{"\x00"}, r.Data["scenario"]), "\x01")
		if !seen[k] {
			seen[k] = true
			out = append(out, r)
		}
	}
	return out
}

// remote judges by the subject's own policies.
func (j judge) remote(r Rule) (out []Requirement) {
	about := func(kind string) Requirement {
		return Requirement{Type: kind, TestCase: kind, SubjectType: j.s.Type, Identifier: j.s.Item, isTest: true}
	}
	found := false
	var sources []string
	for _, f := range j.ev.Remote {
		sources = append(sources, f.Source)
		if len(r.Sources) > 0 && !slices.Contains(r.Sources, f.Source) {
			continue
		}
		switch {
		case f.Err != nil:
			q := about("failed-fetch-gating-yaml")
			q.Details, q.Sources = f.Err.Error(), []string{f.Source}
			return []Requirement{j.gatingWaiver(q)}
		case !f.Found:
			continue
		}
		found = true
		policies, err := ParseGating(f.Source, f.Data)
		if err != nil {
			q := about("invalid-gating-yaml")
			q.Details = err.Error()
			return []Requirement{j.gatingWaiver(q)}
		}
		ok := about("fetched-gating-yaml")
		ok.satisfied, ok.isTest, ok.Sources = true, false, []string{f.Source}
		out = append(out, ok)
		for _, p := range policies {
			contexts := p.Contexts
			if len(j.q.Contexts) > 0 {
				contexts = j.q.Contexts
			}
			if p.applies(contexts, j.q.ProductVersion, j.s.Type) {
				out = append(out, j.policy(p)...)
			}
		}
	}
	if found {
		return out
	}
	switch {
	case len(r.Sources) > 0 && !slices.ContainsFunc(r.Sources, func(s string) bool { return slices.Contains(sources, s) }), len(j.ev.Remote) == 0:
		// Nobody has looked, so whether there is one is not known.
		q := about("failed-fetch-gating-yaml")
		q.Details, q.Sources = "remote rules are not fetched here", r.Sources
		return []Requirement{j.gatingWaiver(q)}
	case r.Required:
		return []Requirement{j.gatingWaiver(about("missing-gating-yaml"))}
	}
	return nil
}

func (j judge) gatingWaiver(q Requirement) Requirement { return j.waive(q, "") }
