package cloudinit

import (
	"encoding/json"
	"fmt"
	"sort"
)

// account is what cloud-init says of one boot in /run/cloud-init/status.json,
// since 0.7.5: {"v1": {"datasource": ..., "stage": ..., "init": {...}, ...}}.
// The long form of `cloud-init status` prints the same without "v1".
type account struct {
	// Status is "done", "running", "error" or "not started".
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

// parseAccount reads the file.
func parseAccount(text string) (account, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return account{}, fmt.Errorf("cannot read cloud-init's status: %w", err)
	}
	if v1, ok := fields["v1"]; ok {
		fields = nil
		if err := json.Unmarshal(v1, &fields); err != nil {
			return account{}, fmt.Errorf("cannot read cloud-init's status: v1: %w", err)
		}
	}
	var a account
	for key, into := range map[string]*string{"datasource": &a.Datasource, "stage": &a.Stage} {
		var s *string
		if raw, ok := fields[key]; ok {
			if err := json.Unmarshal(raw, &s); err != nil {
				return account{}, fmt.Errorf("cannot read cloud-init's status: %s: %w", key, err)
			}
		}
		if s != nil {
			*into = *s
		}
	}
	began, unfinished := false, ""
	for _, name := range stages {
		var s *stageAccount
		if raw, ok := fields[name]; ok {
			if err := json.Unmarshal(raw, &s); err != nil {
				return account{}, fmt.Errorf("cannot read cloud-init's status: %s: %w", name, err)
			}
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
	if a.Stage == "" {
		a.Stage = unfinished
	}
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
	return a, nil
}

// warnings flattens recoverable errors, but for benign ones. A DEPRECATED or INFO
// remark is about the seed's wording, not about what was done.
func warnings(byLevel map[string][]string) []string {
	var out []string
	for level, texts := range byLevel {
		if level == "DEPRECATED" || level == "INFO" || level == "DEBUG" {
			continue
		}
		for _, t := range texts {
			if !isBenign(t) {
				out = append(out, level+": "+t)
			}
		}
	}
	sort.Strings(out)
	return out
}
