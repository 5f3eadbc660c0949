package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"assay/harness/console"
	"assay/reports"
	"assay/suites/check"
)

// caseOf turns an answered check into a case of the report.
func (s *session) caseOf(r check.Registered, e check.Event, i *instance, evidence []reports.Evidence) reports.Case {
	c := reports.Case{ID: r.ID(), Title: r.Title, Outcome: e.Outcome, Fault: e.Fault, Blocking: !r.Advisory, Labels: r.Labels, Inapplicable: e.Inapplicable,
		Started: e.Started, Duration: e.Took, Message: e.Message, Details: joinLines(e.Details, e.Log), Guest: i.name,
		Evidence: s.ownOutput(r.ID(), i)}
	if c.Outcome == reports.Failed || c.Outcome == reports.Errored {
		if e.Commands != "" {
			c.Evidence = append(c.Evidence, reports.Evidence{Kind: "command", Title: "commands and what they said",
				Path: i.guestPath("commands.jsonl"), Excerpt: e.Commands})
		}
		c.Evidence = append(c.Evidence, evidence...)
		c.Replay = s.replay(c.ID)
	}
	return c
}

// brokenOff is the case of a check whose guest died by the image's own doing.
func (s *session) brokenOff(r check.Registered, e check.Event, died *guestDied, i *instance) reports.Case {
	c := reports.Case{ID: r.ID(), Title: r.Title, Blocking: !r.Advisory, Labels: r.Labels, Started: e.Started,
		Duration: time.Since(e.Started), Guest: i.name, Outcome: reports.Failed, Fault: reports.FaultImage,
		Message: fmt.Sprintf("while it ran, %v", died), Replay: s.replay(r.ID())}
	var shown []console.Finding
	if died.finding != nil {
		shown = append(shown, *died.finding)
	}
	c.Evidence = append(s.ownOutput(c.ID, i), i.consoleEvidence(shown))
	return c
}

// evidence are the files that the guest's folder holds by now.
func (i *instance) evidence() []reports.Evidence {
	out := []reports.Evidence{{Kind: "console", Title: "serial console of " + i.name, Path: i.guestPath("console.log")}}
	for _, f := range evidenceFiles {
		if _, err := os.Stat(filepath.Join(i.dir, f.name)); err == nil {
			out = append(out, reports.Evidence{Kind: f.kind, Title: f.title, Path: i.guestPath(f.name)})
		}
	}
	return out
}

func skipped(r check.Registered, why string) reports.Case {
	return reports.Case{ID: r.ID(), Title: r.Title, Blocking: !r.Advisory, Labels: r.Labels, Outcome: reports.Skipped,
		Message: why, Started: time.Now()}
}

// unanswered is the case of a check that could not be asked.
func unanswered(r check.Registered, why string) reports.Case {
	c := skipped(r, why)
	c.Outcome, c.Fault = reports.Errored, reports.FaultInfra
	return c
}

// severity orders outcomes for a check that ran several times: one image
// failure is a failure, however often it passed.
func severity(c reports.Case) int {
	switch {
	case c.Outcome == reports.Failed && c.Fault == reports.FaultImage:
		return 4
	case c.Outcome == reports.Failed, c.Outcome == reports.Errored:
		return 3
	case c.Outcome == reports.Passed:
		return 2
	}
	return 1
}

// record files a case. A check that is recorded again (--repeat, or a boot
// case of another guest) keeps its worst outcome and says how often it ran.
func (s *session) record(c reports.Case) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.cases[c.ID]
	if !ok {
		s.cases[c.ID] = &c
		return
	}
	c.Attempts = append(append([]reports.Attempt(nil), old.Attempts...), c.Attempts...)
	if old.Outcome == "" { // only attempts so far
		s.cases[c.ID] = &c
		return
	}
	keep, other := *old, c
	if severity(c) > severity(*old) {
		keep, other = c, *old
	}
	keep.Attempts = append(c.Attempts, reports.Attempt{Number: len(c.Attempts) + 1, Guest: other.Guest, Outcome: other.Outcome,
		Fault: other.Fault, Message: other.Message, Took: other.Duration})
	s.cases[c.ID] = &keep
}

// addAttempt remembers a spoiled try of a check that will be tried again.
func (s *session) addAttempt(r check.Registered, a reports.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.cases[r.ID()]
	if !ok {
		c = &reports.Case{ID: r.ID()}
		s.cases[r.ID()] = c
	}
	c.Attempts = append(c.Attempts, a)
}

// recordUp files the boot's cases for a guest that came up. What its console
// showed on the way counts all the same. Of later boots only what is wrong is
// filed.
func (s *session) recordUp(i *instance, first bool) {
	bad := map[reports.CaseID]console.Finding{}
	for _, f := range i.console.Findings() {
		id := caseNaming(f)
		if old, seen := bad[id]; id != "" && (!seen || hostsDoing(old, s.accel)) {
			bad[id] = f
		}
	}
	for _, b := range bootCases {
		if b.id == bootSeed {
			continue // suite cloud-init asks that in the guest
		}
		c := reports.Case{ID: b.id, Title: b.title, Outcome: reports.Passed, Blocking: true, Started: i.started, Guest: i.name}
		if b.id == bootComplete { // the boot's time counts once
			c.Duration = s.lastBoot()
		}
		f, isBad := bad[b.id]
		if b.id == bootRoot && i.noSudo != "" {
			c.Outcome, c.Fault, c.Message, c.Replay = reports.Failed, reports.FaultImage, i.noSudo, s.replay(c.ID)
			s.record(c)
			continue
		}
		if b.id == bootRoot && i.noRoot != nil {
			c.Outcome, c.Fault, c.Message = reports.Errored, reports.FaultInfra, fmt.Sprintf("whether anybody can become root is not known: %v", i.noRoot)
			s.record(c)
			continue
		}
		if isBad {
			c.Outcome, c.Fault = reports.Failed, reports.FaultImage
			c.Message = fmt.Sprintf("%s: %s", f.Kind.Title(), f.Line)
			c.Evidence = []reports.Evidence{i.consoleEvidence([]console.Finding{f})}
			c.Replay = s.replay(c.ID)
			if hostsDoing(f, s.accel) {
				c.Outcome, c.Fault = reports.Errored, reports.FaultInfra
			}
		}
		if first || isBad {
			s.record(c)
		}
	}
}

// recordDown files the case that names why a guest did not come up.
func (s *session) recordDown(err error) {
	d := &notUpError{diagnosis: diagnosis{Check: bootLoader, Fault: reports.FaultInfra, Message: err.Error()}}
	errors.As(err, &d)
	c := reports.Case{ID: d.Check, Title: string(d.Check), Outcome: reports.Errored, Fault: d.Fault, Blocking: true,
		Started: time.Now(), Message: d.Message, Guest: d.guest, Evidence: d.evidence, Replay: s.replay(d.Check)}
	image := d.Fault == reports.FaultImage
	if image {
		c.Outcome = reports.Failed
	}
	// What the boot had passed by then is known only when it was the image that
	// stopped; what comes after was not reached.
	reached := image && isBootCase(d.Check)
	for _, b := range bootCases {
		switch {
		case b.id == d.Check:
			c.Title, reached = b.title, false
			continue
		case b.id == bootSeed: // a check of its own when the boot gets that far
			continue
		}
		o := reports.Case{ID: b.id, Title: b.title, Blocking: true, Started: c.Started, Guest: d.guest,
			Outcome: reports.Skipped, Message: "the boot did not get that far"}
		if reached {
			o.Outcome, o.Message = reports.Passed, ""
		}
		s.record(o)
	}
	s.record(c)
}

// verdict folds the cases into suites and the verdict, and writes the results.
func (s *session) verdict(checks []check.Registered) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assemble(checks)
	if err := s.base.Verify(); err != nil {
		// What was judged is not what stands there now.
		s.run.Incomplete = "the image changed while it was judged: " + err.Error()
		s.run.Verdict, s.run.Reason = reports.Undecided, s.run.Incomplete
	}
	if err := reports.Write(s.opt.Results, s.run); err != nil {
		return &InfraError{err}
	}
	return nil
}

// broken writes what an interrupted run knows; nil if it knows nothing. It never
// accepts an image.
func (s *session) broken(checks []check.Registered) *reports.Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	answered := 0
	for _, r := range checks {
		c := s.cases[r.ID()]
		switch {
		case c == nil || c.Outcome == "":
			n := unanswered(r, "the run was interrupted before it was answered")
			if c != nil {
				n.Attempts = c.Attempts
			}
			s.cases[r.ID()] = &n
		case c.Outcome == reports.Passed, c.Outcome == reports.Failed:
			answered++
		}
	}
	if answered == 0 {
		return nil
	}
	s.run.Finished, s.run.Usage = time.Now(), usage()
	s.run.Incomplete = fmt.Sprintf("the run was interrupted when %d of %d checks were answered", answered, len(checks))
	s.assemble(checks)
	if s.run.Verdict != reports.Rejected {
		s.run.Verdict, s.run.Reason = reports.Undecided, s.run.Incomplete
	}
	if err := reports.Write(s.opt.Results, s.run); err != nil {
		s.opt.Log.Warn("cannot write what the interrupted run found", "err", err)
		return nil
	}
	return s.run
}

// assemble makes the run's suites of its cases and takes the verdict. A check
// that nobody answered gets a case that says so; s.mu is held.
func (s *session) assemble(checks []check.Registered) {
	suites := map[string]*reports.Suite{bootSuite.Name: {Name: bootSuite.Name, Criterion: bootSuite.Criterion, Title: bootSuite.Title}}
	for _, r := range checks {
		if suites[r.Suite.Name] == nil {
			suites[r.Suite.Name] = &reports.Suite{Name: r.Suite.Name, Criterion: r.Suite.Criterion, Title: r.Suite.Title}
		}
		if c := s.cases[r.ID()]; c == nil || c.Outcome == "" {
			n := skipped(r, "no guest came up to run it in")
			if c != nil {
				n.Outcome, n.Fault, n.Message, n.Attempts = reports.Errored, reports.FaultInfra, "it was never answered", c.Attempts
			}
			s.cases[r.ID()] = &n
		}
	}
	s.fold(suites, checks)
	s.run.Suites = s.run.Suites[:0]
	names := make([]string, 0, len(suites))
	for n := range suites {
		names = append(names, n)
	}
	sort.Slice(names, func(a, b int) bool { // the boot comes first
		if (names[a] == "boot") != (names[b] == "boot") {
			return names[a] == "boot"
		}
		return names[a] < names[b]
	})
	for _, n := range names {
		if len(suites[n].Cases) > 0 {
			s.run.Suites = append(s.run.Suites, *suites[n])
		}
	}
	sort.SliceStable(s.run.Timeline, func(a, b int) bool { return s.run.Timeline[a].Start < s.run.Timeline[b].Start })
	if s.known != nil {
		s.known.Apply(s.run, s.exist, time.Now())
	}
	s.run.Conclude()
}

// fold sorts cases into their suites, in the order of the plan.
func (s *session) fold(suites map[string]*reports.Suite, checks []check.Registered) {
	order := map[reports.CaseID]int{}
	for n, b := range bootCases {
		order[b.id] = n - len(bootCases)
	}
	for n, r := range checks {
		order[r.ID()] = n + 1
	}
	ids := make([]reports.CaseID, 0, len(s.cases))
	for id := range s.cases {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(a, b int) bool {
		if order[ids[a]] != order[ids[b]] {
			return order[ids[a]] < order[ids[b]]
		}
		return ids[a] < ids[b]
	})
	for _, id := range ids {
		name := id.Suite()
		su := suites[name]
		if su == nil { // a boot failure that another criterion's case names
			su = &reports.Suite{Name: name, Title: name}
			suites[name] = su
		}
		c := *s.cases[id]
		su.Cases = append(su.Cases, c)
		if su.Started.IsZero() || c.Started.Before(su.Started) {
			su.Started = c.Started
		}
		su.Duration += c.Duration
	}
}

func joinLines(parts ...string) string {
	out := ""
	for _, p := range parts {
		if p != "" && out != "" {
			out += "\n"
		}
		out += p
	}
	return out
}
