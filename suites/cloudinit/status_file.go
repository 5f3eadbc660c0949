package cloudinit

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// account is what cloud-init says of one boot, from either of its accounts:
// /run/cloud-init/status.json (since 0.7.5; {"v1": {stage: {...}}}) or
// `cloud-init status --format json` (since 23.1).
type account struct {
	// Status is "done", "running", "error", "disabled", "not started"; derived
	// from the stages where the account does not say it.
	Status     string
	Datasource string
	// Stage is the one that still runs.
	Stage  string
	Errors []string
	// Warnings are recoverable errors, "LEVEL: text".
	Warnings []string
}

// stageAccount is one stage's part.
type stageAccount struct {
	Errors            []string            `json:"errors"`
	RecoverableErrors map[string][]string `json:"recoverable_errors"`
	Start             *float64            `json:"start"`
	Finished          *float64            `json:"finished"`
}

// stages in the order in which they run.
var stages = []string{"init-local", "init", "modules-config", "modules-final"}

// parseAccount reads either account.
func parseAccount(text string) (account, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return account{}, fmt.Errorf("cannot read cloud-init's status: %w", err)
	}
	var a account
	if v1, ok := fields["v1"]; ok {
		fields = nil
		if err := json.Unmarshal(v1, &fields); err != nil {
			return account{}, fmt.Errorf("cannot read cloud-init's status: v1: %w", err)
		}
	}
	for key, into := range map[string]*string{"status": &a.Status, "datasource": &a.Datasource, "stage": &a.Stage} {
		if raw, ok := fields[key]; ok {
			var s *string
			if err := json.Unmarshal(raw, &s); err != nil {
				return account{}, fmt.Errorf("cannot read cloud-init's status: %s: %w", key, err)
			}
			if s != nil {
				*into = *s
			}
		}
	}
	// The long account names the source in "detail".
	var detail string
	if raw, ok := fields["detail"]; ok && json.Unmarshal(raw, &detail) == nil && strings.HasPrefix(detail, "DataSource") {
		a.Datasource = detail
	}
	began, unfinished := false, ""
	for _, name := range stages {
		raw, ok := fields[name]
		if !ok {
			continue
		}
		var s *stageAccount
		if err := json.Unmarshal(raw, &s); err != nil {
			return account{}, fmt.Errorf("cannot read cloud-init's status: %s: %w", name, err)
		}
		if s == nil {
			continue
		}
		began = began || s.Start != nil
		if s.Start != nil && s.Finished == nil {
			unfinished = name
		}
		a.Errors = append(a.Errors, s.Errors...)
		a.Warnings = append(a.Warnings, warnings(s.RecoverableErrors)...)
	}
	// The command repeats what the stages say; without stages it is all there is.
	if len(a.Errors) == 0 {
		if raw, ok := fields["errors"]; ok {
			if err := json.Unmarshal(raw, &a.Errors); err != nil {
				return account{}, fmt.Errorf("cannot read cloud-init's status: errors: %w", err)
			}
		}
	}
	if len(a.Warnings) == 0 {
		if raw, ok := fields["recoverable_errors"]; ok {
			var byLevel map[string][]string
			if err := json.Unmarshal(raw, &byLevel); err != nil {
				return account{}, fmt.Errorf("cannot read cloud-init's status: recoverable_errors: %w", err)
			}
			a.Warnings = warnings(byLevel)
		}
	}
	if a.Stage == "" {
		a.Stage = unfinished
	}
	if a.Status == "" {
		switch {
		case a.Stage != "":
			a.Status = "running"
		case len(a.Errors) > 0:
			a.Status = "error"
		case began:
			a.Status = "done"
		default:
			a.Status = "not started"
		}
	}
	return a, nil
}

// warnings flattens recoverable errors. A DEPRECATED or INFO remark is about
// the seed's wording, not about what was done.
func warnings(byLevel map[string][]string) []string {
	var out []string
	for level, texts := range byLevel {
		if level == "DEPRECATED" || level == "INFO" || level == "DEBUG" {
			continue
		}
		for _, t := range texts {
			out = append(out, level+": "+t)
		}
	}
	sort.Strings(out)
	return out
}
