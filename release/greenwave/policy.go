// Package greenwave reads Greenwave policies as they are and answers
// Greenwave's decision call, so that whoever asks a Greenwave can ask this
// release stage.
//
// Semantics follow Greenwave's: of each distinct architecture, variant and
// scenario the latest result counts; what is not PASSED or INFO has to be
// waived; a policy that does not exist is an error and not a pass. What a remote
// rule would fetch is handed in by the caller, or is refused. The package asks
// nobody by itself.
package greenwave

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxSize bounds a policy file or a gating.yaml, in bytes.
const MaxSize = 1 << 20

// Policy is one document tagged !Policy.
type Policy struct {
	ID              string
	Contexts        []string
	SubjectTypes    []string
	ProductVersions []string // shell patterns
	// Packages and Excluded are shell patterns of package names; empty
	// Packages are all.
	Packages []string
	Excluded []string
	Rules    []Rule
	// Relevance keys narrow a policy to subjects with a property; kept for
	// the answer, and refused by decisions that would need them.
	line int
}

// Rule is a PassingTestCaseRule or, with Remote, a RemoteRule.
type Rule struct {
	TestCase string
	// Scenario narrows it; empty is any.
	Scenario string
	// ValidSince and ValidUntil are compared with the time of the subject;
	// zero is no bound.
	ValidSince, ValidUntil time.Time

	Remote bool
	// Required makes a missing remote policy unsatisfied.
	Required bool
	Sources  []string
}

// ParsePolicies reads a file of policies: YAML documents tagged !Policy. Errors
// have the form "NAME:LINE:COLUMN: what".
func ParsePolicies(name string, data []byte) ([]Policy, error) {
	return parse(name, data, true)
}

// ParseGating reads a gating.yaml, in which the context may stand for all and
// subject types default to koji_build. It may have no remote rules.
func ParseGating(name string, data []byte) ([]Policy, error) {
	return parse(name, data, false)
}

func parse(name string, data []byte, trusted bool) (out []Policy, err error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d that policies may have", name, len(data), MaxSize)
	}
	r := &reader{name: name}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		p := r.policy(doc.Content[0], trusted)
		if r.err != nil {
			return nil, r.err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: it has no !Policy", name)
	}
	return out, nil
}

// reader keeps the first fault.
type reader struct {
	name string
	err  error
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d:%d: %s", r.name, n.Line, n.Column, fmt.Sprintf(format, args...))
	}
}

// fields visits the keys of a mapping, each once.
func (r *reader) fields(n *yaml.Node, visit func(key string, v *yaml.Node) bool) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "want a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if seen[k.Value] {
			r.fail(k, "%q stands here twice", k.Value)
		}
		seen[k.Value] = true
		if !visit(k.Value, n.Content[i+1]) {
			r.fail(k, "unknown attribute %q", k.Value)
		}
	}
}

func (r *reader) text(n *yaml.Node) string {
	// Numbers, as in "product_versions: [43]", are meant as text.
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fail(n, "want text")
	}
	return n.Value
}

func (r *reader) list(n *yaml.Node) []string {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "want a list")
		return nil
	}
	out := make([]string, 0, len(n.Content))
	for _, c := range n.Content {
		out = append(out, r.text(c))
	}
	return out
}

func (r *reader) globs(n *yaml.Node) []string {
	out := r.list(n)
	for i, g := range out {
		if _, err := path.Match(g, ""); err != nil {
			r.fail(n.Content[i], "pattern %q is malformed", g)
		}
	}
	return out
}

func (r *reader) time(n *yaml.Node) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, n.Value); err == nil {
			return t
		}
	}
	r.fail(n, "want a date or an ISO 8601 time, not %q", n.Value)
	return time.Time{}
}

func (r *reader) policy(n *yaml.Node, trusted bool) Policy {
	p := Policy{line: n.Line}
	if n.Tag != "!Policy" {
		r.fail(n, "want a document tagged !Policy")
		return p
	}
	hasRules := false
	one := func(into *[]string, v *yaml.Node) {
		if *into != nil {
			r.fail(v, "both the singular and the plural of this attribute are given")
		}
		*into = []string{r.text(v)}
	}
	many := func(into *[]string, v *yaml.Node) {
		if *into != nil {
			r.fail(v, "both the singular and the plural of this attribute are given")
		}
		*into = r.list(v)
	}
	r.fields(n, func(key string, v *yaml.Node) bool {
		switch key {
		case "id":
			p.ID = r.text(v)
		case "decision_context":
			one(&p.Contexts, v)
		case "decision_contexts":
			many(&p.Contexts, v)
		case "subject_type":
			one(&p.SubjectTypes, v)
		case "subject_types":
			many(&p.SubjectTypes, v)
		case "product_versions":
			p.ProductVersions = r.globs(v)
		case "packages":
			p.Packages = r.globs(v)
		case "excluded_packages", "blacklist":
			p.Excluded = r.globs(v)
		case "rules":
			hasRules = true
			p.Rules = r.rules(v, trusted)
		default:
			return false
		}
		return true
	})
	switch {
	case len(p.Contexts) == 0:
		r.fail(n, "the policy has no decision_context")
	case len(p.ProductVersions) == 0:
		r.fail(n, "the policy has no product_versions")
	case !hasRules:
		r.fail(n, "the policy has no rules (an empty list means that nothing is required)")
	case len(p.SubjectTypes) == 0 && trusted:
		r.fail(n, "the policy has no subject_type")
	case len(p.SubjectTypes) == 0:
		p.SubjectTypes = []string{"koji_build"}
	}
	return p
}

func (r *reader) rules(n *yaml.Node, trusted bool) (out []Rule) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "want a list of rules")
		return nil
	}
	for _, c := range n.Content {
		switch c.Tag {
		case "!PassingTestCaseRule":
			out = append(out, r.testCase(c))
		case "!RemoteRule":
			if !trusted {
				r.fail(c, "a remote policy may not have remote rules")
			}
			out = append(out, r.remote(c))
		default:
			r.fail(c, "unknown rule %s: want !PassingTestCaseRule or !RemoteRule", c.Tag)
		}
	}
	return out
}

func (r *reader) testCase(n *yaml.Node) (rule Rule) {
	r.fields(n, func(key string, v *yaml.Node) bool {
		switch key {
		case "test_case_name":
			rule.TestCase = r.text(v)
		case "scenario":
			if v.Tag != "!!null" {
				rule.Scenario = r.text(v)
			}
		case "valid_since":
			rule.ValidSince = r.time(v)
		case "valid_until":
			rule.ValidUntil = r.time(v)
		default:
			return false
		}
		return true
	})
	if rule.TestCase == "" {
		r.fail(n, "the rule has no test_case_name")
	}
	return rule
}

func (r *reader) remote(n *yaml.Node) Rule {
	rule := Rule{Remote: true}
	if n.Kind == yaml.ScalarNode && n.Value == "" {
		return rule // "- !RemoteRule" alone
	}
	r.fields(n, func(key string, v *yaml.Node) bool {
		switch key {
		case "required":
			if v.Tag != "!!bool" {
				r.fail(v, "Attribute 'required': Expected a boolean value, got: %s", v.Value)
			}
			rule.Required = v.Value == "true"
		case "sources":
			rule.Sources = r.list(v)
		default:
			return false
		}
		return true
	})
	return rule
}

// applies reports whether the policy is meant.
func (p Policy) applies(contexts []string, productVersion, subjectType string) bool {
	return slices.ContainsFunc(contexts, func(c string) bool { return slices.Contains(p.Contexts, c) }) &&
		matchAny(p.ProductVersions, productVersion) && slices.Contains(p.SubjectTypes, subjectType)
}

func matchAny(globs []string, s string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		ok, err := path.Match(g, s)
		return ok && err == nil
	})
}

// covers reports whether the rule counts for a subject of that time. A subject
// without a time is judged by the rule: in doubt it is required.
func (r Rule) covers(subject time.Time) bool {
	if subject.IsZero() {
		return true
	}
	return (r.ValidSince.IsZero() || !subject.Before(r.ValidSince)) && (r.ValidUntil.IsZero() || subject.Before(r.ValidUntil))
}
