package usercheck

import (
	"strings"
	"time"

	"assay/reports"
	"assay/suites/check"
)

// Check is one executable of the user's with what its header says. It travels
// as JSON from the run to the suite's process.
type Check struct {
	// Folder is where it was found (absolute), File its name there.
	Folder string `json:"folder"`
	File   string `json:"file"`
	// Bundle is the file that Pack wrote.
	Bundle string `json:"bundle,omitempty"`

	Name      string        `json:"name"`
	Title     string        `json:"title"`
	Criterion string        `json:"criterion,omitempty"`
	Advisory  bool          `json:"advisory,omitempty"`
	State     check.State   `json:"state"`
	Labels    []string      `json:"labels,omitempty"`
	Limit     time.Duration `json:"limit_ns"`
	// Shared is true when other checks may use the same guest.
	Shared bool `json:"shared,omitempty"`
	// User runs it; empty is root, "ordinary" the seed's user.
	User  string `json:"user,omitempty"`
	Needs Needs  `json:"needs"`

	// places is where a test lets it lie instead.
	places *places
}

// suiteName is the suite of checks without a criterion, and what the names of
// the others begin with.
const suiteName = "user"

// Suite is where the check stands in the report: suite "user", or "user-s4" for
// criterion S4, so that no name meets one of ours.
func (c Check) Suite() check.Suite {
	if c.Criterion == "" {
		return check.Suite{Name: suiteName, Criterion: suiteName, Title: "checks of your own"}
	}
	return check.Suite{Name: suiteName + "-" + strings.ToLower(c.Criterion), Criterion: c.Criterion,
		Title: "checks of your own for " + c.Criterion}
}

// ID is the check's id in the report.
func (c Check) ID() reports.CaseID {
	return check.Registered{Suite: c.Suite(), Check: check.Check{Name: c.Name}}.ID()
}

// IsOwn reports whether an id is one that only a user's check has.
func IsOwn(id reports.CaseID) bool {
	s := id.Suite()
	return s == suiteName || strings.HasPrefix(s, suiteName+"-")
}

// OutputName is the file in a guest's folder that a check's output goes to,
// another one for each id: what stands for the slash after a criterion is in no
// name, so that user/s4-a and user-s4/a do not meet.
func OutputName(id reports.CaseID) string {
	slash := "="
	if id.Suite() == suiteName {
		slash = "-"
	}
	return "own-" + strings.Replace(string(id), "/", slash, 1) + ".log"
}

// setupLimit is for what is not the check's own time: copying it, on a KVM host.
const setupLimit = time.Minute

// Registered makes a check of the plan. Running it needs a Bundle; its output
// goes to a file in the folder output, named by OutputName.
func (c Check) Registered(output string) check.Registered {
	return check.Registered{Suite: c.Suite(), Check: check.Check{
		Name: c.Name, Title: c.Title, Advisory: c.Advisory, State: c.State, Isolated: !c.Shared, Labels: c.Labels,
		Limit: c.Limit + setupLimit, NeedsTrees: c.Needs.Trees, Run: c.runner(output)}}
}
