package greenwave

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody bounds a request, in bytes.
const maxBody = 1 << 20

// Source has what one request is answered from, as of when (zero is now): do gets
// the policies that were in force and a function that answers for each subject, all
// of them from one state. It is asked once for a request, for folding a history
// takes time.
type Source func(r *http.Request, q Request, when time.Time, do func(policies []Policy, evidence func(Subject) (Evidence, error)) error) error

// Handler serves POST /api/v1.0/decision, GET /api/v1.0/policies and GET
// /api/v1.0/about. Policies are those of now; they are asked for at each request.
func Handler(policies func() []Policy, source Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1.0/decision", func(w http.ResponseWriter, r *http.Request) {
		var q Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&q); err != nil {
			var large *http.MaxBytesError
			switch {
			case errors.As(err, &large):
				fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("The request has more than %d bytes", maxBody))
			case errors.Is(err, io.EOF):
				fail(w, http.StatusBadRequest, "No JSON payload in request")
			default:
				fail(w, http.StatusBadRequest, "Invalid JSON payload: "+err.Error())
			}
			return
		}
		var d Decision
		_, when, err := q.check()
		if err == nil {
			err = source(r, q, when, func(policies []Policy, evidence func(Subject) (Evidence, error)) (err error) {
				d, err = Decide(policies, q, func(s Subject, _ time.Time) (Evidence, error) { return evidence(s) })
				return err
			})
		}
		var missing *NotFoundError
		var bad *BadRequestError
		switch {
		case errors.As(err, &missing):
			fail(w, http.StatusNotFound, missing.Text)
		case errors.As(err, &bad):
			fail(w, http.StatusBadRequest, bad.Text)
		case err != nil:
			// Whoever asks must not take this for a decision.
			fail(w, http.StatusBadGateway, err.Error())
		default:
			answer(w, http.StatusOK, d)
		}
	})
	mux.HandleFunc("GET /api/v1.0/policies", func(w http.ResponseWriter, _ *http.Request) {
		list := []any{}
		for _, p := range policies() {
			list = append(list, p.json())
		}
		answer(w, http.StatusOK, map[string]any{"policies": list})
	})
	mux.HandleFunc("GET /api/v1.0/about", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"outcomes_passed": passed, "outcomes_incomplete": incomplete, "outcomes_error": errored})
	})
	return mux
}

func (p Policy) json() map[string]any {
	rules := []any{}
	for _, r := range p.Rules {
		switch {
		case r.Remote:
			rules = append(rules, map[string]any{"type": "RemoteRule", "required": r.Required, "sources": r.Sources})
		default:
			rule := map[string]any{"type": "PassingTestCaseRule", "test_case_name": r.TestCase, "scenario": Nullable(r.Scenario)}
			for k, t := range map[string]time.Time{"valid_since": r.ValidSince, "valid_until": r.ValidUntil} {
				if !t.IsZero() {
					rule[k] = t.UTC().Format(time.RFC3339)
				}
			}
			rules = append(rules, rule)
		}
	}
	return map[string]any{"id": Nullable(p.ID), "decision_contexts": p.Contexts, "subject_types": p.SubjectTypes, "product_versions": p.ProductVersions,
		"packages": p.Packages, "excluded_packages": p.Excluded, "rules": rules}
}

func fail(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"message": text})
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client is gone when this fails; there is nobody to tell.
	_, _ = w.Write(body)
}
