package greenwave

import (
	"errors"
	"fmt"
	"slices"
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
