package greenwave

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Request is the body of POST /api/v1.0/decision.
type Request struct {
	Contexts       Words     `json:"decision_context"`
	ProductVersion string    `json:"product_version"`
	SubjectType    string    `json:"subject_type"`
	Identifier     string    `json:"subject_identifier"`
	Subjects       []Subject `json:"subject"`
	Verbose        bool      `json:"verbose"`
	IgnoreResult   []int64   `json:"ignore_result"`
	IgnoreWaiver   []int64   `json:"ignore_waiver"`
	// When asks for the decision as of a time, ISO 8601.
	When string `json:"when"`
	// Rules are judged instead of policies: an on-demand policy.
	Rules []RequestRule `json:"rules"`
}

// Subject is what a decision is about.
type Subject struct {
	Item string `json:"item"`
	Type string `json:"type"`
	// Compose is another spelling of {item, type: "compose"}.
	Compose string `json:"productmd.compose.id,omitempty"`
	// NVR is another spelling of {item, type: "koji_build"}.
	NVR string `json:"original_spec_nvr,omitempty"`
}

// RequestRule is a rule in an on-demand request.
type RequestRule struct {
	Type     string `json:"type"`
	TestCase string `json:"test_case_name"`
	Scenario string `json:"scenario"`
}

// Result is a result in the form of ResultsDB.
type Result struct {
	ID       int64 `json:"id"`
	TestCase struct {
		Name string `json:"name"`
		Ref  string `json:"ref_url,omitempty"`
		HRef string `json:"href,omitempty"`
	} `json:"testcase"`
	Outcome     string              `json:"outcome"`
	SubmitTime  string              `json:"submit_time"`
	Note        string              `json:"note,omitempty"`
	RefURL      string              `json:"ref_url,omitempty"`
	HRef        string              `json:"href,omitempty"`
	Groups      []string            `json:"groups"`
	ErrorReason string              `json:"error_reason,omitempty"`
	Data        map[string][]string `json:"data"`
}

// Waiver is a waiver in the form of WaiverDB.
type Waiver struct {
	ID             int64   `json:"id"`
	SubjectType    string  `json:"subject_type"`
	Identifier     string  `json:"subject_identifier"`
	TestCase       string  `json:"testcase"`
	Scenario       *string `json:"scenario"`
	ProductVersion string  `json:"product_version"`
	Waived         bool    `json:"waived"`
	Comment        string  `json:"comment"`
	Username       string  `json:"username"`
	ProxiedBy      *string `json:"proxied_by"`
	Timestamp      string  `json:"timestamp"`
}

// Evidence is what is known of one subject.
type Evidence struct {
	// Time is when the subject was made; zero when unknown.
	Time    time.Time
	Results []Result
	Waivers []Waiver
	// Remote are the gating files of the subject, by source; see Rule.
	Remote []RemoteFile
	// Objections are why the subject must not pass though every rule may be
	// satisfied, as one that a person marked bad. They are heard when nothing else
	// speaks against it.
	Objections []Objection
}

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

// Bounds of what one request may ask for and be given: a few megabytes.
const (
	maxSubjects     = 250
	maxRules        = 500
	maxRequirements = 20_000
	maxVerbose      = 20_000 // results and waivers
)

func (q *Request) check() (subjects []Subject, when time.Time, err error) {
	bad := func(format string, args ...any) ([]Subject, time.Time, error) {
		return nil, time.Time{}, &BadRequestError{fmt.Sprintf(format, args...)}
	}
	switch {
	case q.ProductVersion == "":
		return bad("Missing required product version")
	case len(q.Contexts) == 0 && len(q.Rules) == 0:
		return bad("Either decision_context or rules is required.")
	case len(q.Contexts) > 0 && len(q.Rules) > 0:
		return bad("Cannot have both decision_context and rules")
	case len(q.Subjects) > 0 && (q.SubjectType != "" || q.Identifier != ""):
		return bad("Cannot have both subject and subject_type or subject_identifier")
	case len(q.Subjects) > maxSubjects:
		return bad("Invalid subject, more than %d items", maxSubjects)
	case len(q.Rules) > maxRules:
		return bad("Invalid rules, more than %d items", maxRules)
	case len(q.Subjects) == 0 && q.SubjectType == "":
		return bad("Missing required \"subject_type\" parameter")
	case len(q.Subjects) == 0 && q.Identifier == "":
		return bad("Missing required \"subject_identifier\" parameter")
	case len(q.Subjects) == 0:
		subjects = []Subject{{Item: q.Identifier, Type: q.SubjectType}}
	}
	for _, r := range q.Rules {
		if r.Type != "PassingTestCaseRule" && r.Type != "RemoteRule" || r.Type == "PassingTestCaseRule" && r.TestCase == "" {
			return bad("Key 'type' of rules must be PassingTestCaseRule, with test_case_name, or RemoteRule")
		}
	}
	for _, s := range q.Subjects {
		switch {
		case s.Compose != "":
			s = Subject{Item: s.Compose, Type: "compose"}
		case s.NVR != "":
			s = Subject{Item: s.NVR, Type: "koji_build"}
		}
		if s.Item == "" || s.Type == "" {
			return bad("Invalid subject, must be a list of dicts with item and type")
		}
		subjects = append(subjects, s)
	}
	// "brew-build" is an alias.
	for i := range subjects {
		if subjects[i].Type == "brew-build" {
			subjects[i].Type = "koji_build"
		}
	}
	if q.When != "" {
		if len(q.IgnoreResult) > 0 || len(q.IgnoreWaiver) > 0 {
			return bad("Cannot have both \"when\" and ignore_result or ignore_waiver")
		}
		if when, err = parseTime(q.When); err != nil {
			return bad("Invalid \"when\" parameter, must be in ISO8601 format")
		}
	}
	return subjects, when, nil
}

// parseTime reads what Python writes: no zone means UTC.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("no ISO 8601 time")
}

// drop leaves out what is not to count.
func (ev *Evidence) drop(q Request, when time.Time) {
	late := func(stamp string) bool {
		t, err := parseTime(stamp)
		return !when.IsZero() && (err != nil || t.After(when))
	}
	ev.Results = slices.DeleteFunc(slices.Clone(ev.Results), func(r Result) bool {
		return slices.Contains(q.IgnoreResult, r.ID) || late(r.SubmitTime)
	})
	ev.Waivers = slices.DeleteFunc(slices.Clone(ev.Waivers), func(w Waiver) bool {
		return slices.Contains(q.IgnoreWaiver, w.ID) || late(w.Timestamp)
	})
}

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
