package harness

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"assay/reports"
	"assay/suites/check"
)

// Selection chooses checks. An empty field chooses all. Patterns are globs as
// path.Match reads them.
type Selection struct {
	// Suites are suite names: "base", "cloud-*".
	Suites []string
	// Checks are check ids: "base/failed-units", "containers/*".
	Checks []string
	// Labels keep checks that carry one of these; "!slow" drops those that do. The
	// name of its suite is a label of each check: "!layering" is for images to
	// which that criterion does not apply.
	Labels []string
	// Folders hold the user's own checks (package usercheck), to choose from
	// beside ours.
	Folders []string
}

// told is the choice for the results, nil when nothing was left out.
func (s Selection) told() *reports.Selection {
	if len(s.Suites)+len(s.Checks)+len(s.Labels) == 0 {
		return nil
	}
	return &reports.Selection{Suites: s.Suites, Checks: s.Checks, Labels: s.Labels}
}

// job is what one guest is made for: checks that share it.
type job struct {
	// Key names the job for the eye and for remembered durations: "base",
	// "base/reboot" for an isolated check, "base@fresh".
	Key    string
	State  check.State
	Checks []check.Registered
	// Repeat counts from 1 when the plan is repeated.
	Repeat int
	boots  bool // its next guest is a fresh boot
}

// SelectionError is a choice of checks that chooses nothing, or nothing that is there.
type SelectionError struct{ text string }

func (e *SelectionError) Error() string { return e.text }

func selectionf(format string, args ...any) error {
	return &SelectionError{fmt.Sprintf(format, args...)}
}

// Select returns the registered checks that s chooses. A pattern that chooses
// nothing is an error: a typo must not turn into an empty, passing run.
func Select(all []check.Registered, s Selection) ([]check.Registered, error) {
	used := map[string]bool{}
	var out []check.Registered
	for _, r := range all {
		bySuite, err := matches(s.Suites, r.Suite.Name, used)
		if err != nil {
			return nil, err
		}
		byCheck, err := matches(s.Checks, string(r.ID()), used)
		if err != nil {
			return nil, err
		}
		if bySuite && byCheck && labelled(s.Labels, append(slices.Clone(r.Labels), r.Suite.Name)) {
			out = append(out, r)
		}
	}
	for _, p := range append(append([]string(nil), s.Suites...), s.Checks...) {
		if !used[p] {
			return nil, selectionf("cannot choose checks by %q: no suite or check has that name%s", p, nearest(all, p))
		}
	}
	there := LabelsOf(all)
	for _, l := range s.Labels {
		if l = strings.TrimPrefix(l, "!"); !slices.Contains(there, l) {
			return nil, selectionf("cannot choose checks by label %q: no check has it; there are %s", l, strings.Join(there, ", "))
		}
	}
	if len(out) == 0 {
		return nil, selectionf("cannot plan a run: no check is chosen by all of %s", s.told())
	}
	return out, nil
}

// LabelsOf are the labels by which checks can be chosen, in order.
func LabelsOf(checks []check.Registered) (labels []string) {
	for _, r := range checks {
		labels = append(append(labels, r.Labels...), r.Suite.Name)
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

func matches(patterns []string, name string, used map[string]bool) (bool, error) {
	if len(patterns) == 0 {
		return true, nil
	}
	hit := false
	for _, p := range patterns {
		ok, err := path.Match(p, name)
		if err != nil {
			return false, selectionf("cannot read pattern %q: %v", p, err)
		}
		if ok {
			hit, used[p] = true, true
		}
	}
	return hit, nil
}

func labelled(want, have []string) bool {
	if len(want) == 0 {
		return true
	}
	has := map[string]bool{}
	for _, l := range have {
		has[l] = true
	}
	positive, hit := false, false
	for _, w := range want {
		if l, not := strings.CutPrefix(w, "!"); not {
			if has[l] {
				return false
			}
			continue
		}
		positive = true
		hit = hit || has[w]
	}
	return hit || !positive
}

// nearest suggests a check whose id contains what was typed, or whose name
// stands in it.
func nearest(all []check.Registered, typed string) string {
	typed = strings.Trim(typed, "*?/")
	for _, fits := range []func(r check.Registered) bool{
		func(r check.Registered) bool { return typed != "" && strings.Contains(string(r.ID()), typed) },
		func(r check.Registered) bool { return strings.Contains(typed, r.Name) },
	} {
		for _, r := range all {
			if fits(r) {
				return fmt.Sprintf("; did you mean %s? `assay suites` lists them", r.ID())
			}
		}
	}
	return "; `assay suites` lists them"
}

// plan groups checks into jobs: checks of one suite and state share a guest,
// isolated ones get their own.
func plan(checks []check.Registered, repeat int) []job {
	var jobs []job
	at := map[string]int{}
	for n := 1; n <= max(repeat, 1); n++ {
		for _, r := range checks {
			if r.Run == nil {
				continue // the boot answers it
			}
			key := r.Suite.Name
			if r.Isolated {
				key = string(r.ID())
			}
			switch r.State {
			case check.Booted:
			case check.Rebooted: // one reboot serves every suite
				key = string(check.Rebooted)
			default:
				key += "@" + string(r.State)
			}
			slot := fmt.Sprintf("%s#%d", key, n)
			i, ok := at[slot]
			if !ok {
				i = len(jobs)
				at[slot] = i
				jobs = append(jobs, job{Key: key, State: r.State, Repeat: n})
			}
			jobs[i].Checks = append(jobs[i].Checks, r)
		}
	}
	return jobs
}
