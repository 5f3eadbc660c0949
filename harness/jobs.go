package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"assay/harness/accel"
	"assay/harness/capacity"
	"assay/harness/console"
	"assay/harness/machine"
	"assay/reports"
	"assay/suites/check"
)

// judge runs the first boot and then every job.
func (s *session) judge(ctx context.Context, checks []check.Registered) error {
	up, err := s.firstBoot(ctx)
	if err != nil {
		return err
	}
	if !up {
		return nil // verdict says what was not answered
	}
	jobs := plan(s.applying(checks), s.opt.Repeat)
	for _, j := range jobs {
		s.total += len(j.Checks)
	}
	s.layersForItself(jobs)
	e := estimates{s.memory.get(), s.scale}
	if !s.opt.NoFork {
		jobs = e.split(jobs, s.guestsAtOnce())
	}
	e.longestFirst(jobs)
	s.runJobs(ctx, jobs)
	return nil
}

// applying leaves out, and records as skipped, the checks of which the first
// boot has shown that they do not apply.
func (s *session) applying(checks []check.Registered) (out []check.Registered) {
	for _, r := range checks {
		if s.tools != nil {
			if why := r.Lacks(s.tools.names); why != "" {
				s.record(skipped(r, why))
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// guestsAtOnce is how many guests may work at a time.
func (s *session) guestsAtOnce() int {
	if s.opt.Parallel > 0 {
		return s.opt.Parallel
	}
	// Guests wait a lot; two virtual CPUs share a real one well.
	return max(1, 2*hostCPUs()/s.opt.CPUs)
}

// runJobs runs the jobs on as many guests as the host holds: in order, but for
// those whose state is still being made.
func (s *session) runJobs(ctx context.Context, jobs []job) {
	workers := s.guestsAtOnce()
	queue := make(chan job)
	var wg sync.WaitGroup
	work := func() {
		for j := range queue {
			began := time.Now()
			if s.runJob(ctx, j) {
				s.remember(j, time.Since(began))
			}
		}
	}
	for range min(workers, len(jobs)) - 1 {
		wg.Go(work)
	}
	ahead := newAhead(s.needOf)
	wg.Go(func() { // one of the guests at once is what is made ahead
		if workers == 1 {
			ahead.skip()
		} else {
			s.makeAhead(ctx, ahead, jobs)
		}
		work()
	})
	for j := range ahead.inOrder(ctx, jobs) {
		select {
		case queue <- j:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
}

// runJob runs one job, trying again on another guest what the infrastructure
// spoiled. It reports whether the first try answered everything.
func (s *session) runJob(ctx context.Context, j job) bool {
	pending := j.Checks
	for attempt := 1; ; attempt++ {
		pending = s.tryJob(ctx, &j, pending, attempt, attempt > s.opt.Retries)
		if len(pending) == 0 || ctx.Err() != nil {
			return attempt == 1 && ctx.Err() == nil
		}
	}
}

// tryJob runs checks in one guest and returns those that an infrastructure
// fault spoiled and that may be tried again.
func (s *session) tryJob(ctx context.Context, j *job, checks []check.Registered, attempt int, last bool) (spoiled []check.Registered) {
	spoil := func(r check.Registered, guest, message string, took time.Duration) {
		a := reports.Attempt{Number: attempt, Guest: guest, Outcome: reports.Errored, Fault: reports.FaultInfra, Message: message, Took: took}
		if !last {
			if len(spoiled) == 0 {
				s.opt.Progress(Progress{Time: time.Now(), Stage: "retry", Name: j.Key, Done: true, OK: true,
					Text: fmt.Sprintf("%s will be tried again on another guest: %s", j.Key, message)})
			}
			s.addAttempt(r, a)
			spoiled = append(spoiled, r)
			return
		}
		s.record(reports.Case{ID: r.ID(), Title: r.Title, Blocking: !r.Advisory, Labels: r.Labels, Started: time.Now(), Duration: took,
			Outcome: reports.Errored, Fault: reports.FaultInfra, Message: message, Guest: guest})
	}

	began := time.Now()
	// Before there is a guest: an update is derived in a guest of its own, which
	// would wait for the room that this one holds.
	if err := s.trees.prepare(ctx, checks); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		for _, r := range checks {
			spoil(r, "", fmt.Sprintf("no trees to upgrade to could be had: %v", err), time.Since(began))
		}
		return spoiled
	}
	i, forked, err := s.guestFor(ctx, *j)
	j.boots = true // should this one do no good
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		var down *notUpError
		if errors.As(err, &down) && down.Fault == reports.FaultImage {
			// This boot of the image failed where another came up.
			s.recordDown(err)
			for _, r := range checks {
				s.record(skipped(r, fmt.Sprintf("the guest it needs did not come up: %v", err)))
			}
			return nil
		}
		var never *noStateError
		var none *noTreesError
		for _, r := range checks {
			switch {
			case errors.As(err, &none): // the question does not apply
				s.record(skipped(r, err.Error()))
				continue
			case errors.As(err, &never):
				// The checks that try that very step say whose fault it is. These
				// here have no answer, and that is no pass.
				s.record(unanswered(r, err.Error()))
				continue
			}
			spoil(r, "", fmt.Sprintf("no guest could be had: %v", err), time.Since(began))
		}
		return spoiled
	}
	var failed []string
	defer func() { s.dismiss(i, failed) }()
	if s.tools != nil {
		i.env.Tools = s.tools.names
	}
	s.trees.offer(i, checks)

	mark := i.console.Mark()
	endSpan := s.span("suite", j.Key, i.name, fmt.Sprintf("%s in %s", j.Key, i.name))
	end := s.runChild(ctx, i, checks, forked, mark)
	endSpan(end.Err == nil)
	if ctx.Err() != nil {
		return nil
	}

	// A guest that died by the image's doing fails one check: the one that was
	// running, else the one that lost its answer, else the first without one.
	died := i.death(mark)
	var stuck *guestDied
	if died == nil && errors.As(end.Err, &stuck) && stuck.stuck != "" {
		died = stuck
	}
	blamed := reports.CaseID("")
	if died != nil && died.isImage(s.accel) {
		blamed = s.blame(checks, end)
	}
	tripped := s.tripped(i, mark)
	j.boots = !forked || tripped == "" // what the emulator did to a fork is not the fork's
	evidence := i.evidence()
	for _, r := range checks {
		e, ok := end.Done[r.ID()]
		switch {
		case r.ID() == blamed:
			if !ok {
				e = check.Event{ID: r.ID(), Started: time.Now()}
				if end.Running != nil {
					e = *end.Running
				}
			}
			c := s.brokenOff(r, e, died, i)
			failed = append(failed, string(c.ID))
			s.record(c)
		case ok && e.Outcome == reports.Errored && e.Fault == reports.FaultInfra:
			spoil(r, i.name, e.Message, e.Took)
		case ok && e.Outcome == reports.Failed && e.Fault == reports.FaultImage && cmp.Or(s.lack(r, i.name, e), tripped) != "":
			spoil(r, i.name, cmp.Or(s.lack(r, i.name, e), tripped), e.Took)
		case ok:
			c := s.caseOf(r, e, i, evidence)
			if c.Outcome == reports.Failed || c.Outcome == reports.Errored {
				failed = append(failed, string(c.ID))
			}
			s.record(c)
		case end.Running != nil && end.Running.ID == r.ID():
			spoil(r, i.name, fmt.Sprintf("broken off: %v", end.Err), time.Since(end.Running.Started))
		default:
			spoil(r, i.name, fmt.Sprintf("it was never begun: %v", end.Err), 0)
		}
	}
	return spoiled
}

// guestFor makes the guest that a job needs. forked is true when it was
// forked. Where a fork did no good, and where none can be had, it is a fresh
// boot: same result, slower.
func (s *session) guestFor(ctx context.Context, j job) (i *instance, forked bool, err error) {
	// An upgrade is too dear to be made once more for each job.
	again := !j.boots || j.State == check.Upgraded
	if j.State != check.Fresh && again && !s.opt.NoFork {
		var snap *snapshot
		snap, err = s.states.get(ctx, forkedFrom(j.State))
		if err != nil && j.State == check.Layered && !isDefinite(err) {
			snap, err = s.states.get(ctx, check.Booted)
		}
		if err == nil {
			name := s.guestName("fork")
			var lease *capacity.Lease
			if lease, err = s.room(ctx, name); err == nil {
				end := s.span("fork", name, name, fmt.Sprintf("forking %s from %s", name, snap.state))
				i, err = s.fork(ctx, snap, name, lease)
				end(err == nil)
			}
		}
		if err == nil {
			return i, true, nil
		}
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		if isDefinite(err) {
			return nil, false, err
		}
		if snap == nil && j.State != check.Upgraded {
			s.opt.Log.Debug("no saved guest to fork", "job", j.Key, "err", err)
		}
		if j.State == check.Upgraded && snap == nil {
			// Its derivation is retried as a whole, not once more for every job.
			return nil, false, err
		}
		if snap != nil {
			s.note("%s gets a fresh boot instead of a fork: %v", j.Key, err)
		}
	}
	// Once: runJob tries again.
	i, g, err := s.bringUpOnce(ctx, s.guestName("fresh"))
	if err != nil {
		return nil, false, err
	}
	defer g.Close()
	s.recordUp(i, false)
	if j.State == check.Upgraded {
		if err := s.upgradeGuest(ctx, i, g); err != nil {
			return nil, false, errors.Join(err, i.close())
		}
	}
	i.env.First = s.states.first
	return i, false, nil
}

// forkedFrom is the snapshot that a job of that state starts from: the child
// itself reboots its guest.
func forkedFrom(st check.State) check.State {
	if st == check.Rebooted {
		return check.Booted
	}
	return st
}

// rebootAllowance is added to a child's time for the reboot of state Rebooted,
// on a KVM host.
const rebootAllowance = 2 * time.Minute

// childSlack is added to the checks' own limits before a child counts as hung.
const childSlack = 2 * time.Minute

// runChild runs checks in a child process, and ends it when the guest dies
// under it.
func (s *session) runChild(ctx context.Context, i *instance, checks []check.Registered, forked bool, mark int64) childEnd {
	spec := childSpec{Env: i.env, Guest: i.access, Forked: forked,
		GinkgoReport: filepath.Join(i.dir, "ginkgo.json"), Commands: filepath.Join(i.dir, "commands.jsonl"), Evidence: i.dir}
	limit := childSlack
	if checks[0].State == check.Rebooted {
		limit += time.Duration(float64(rebootAllowance) * s.scale)
	}
	for _, r := range checks {
		spec.Checks = append(spec.Checks, r.ID())
		if c, ok := s.own[r.ID()]; ok {
			spec.Own = append(spec.Own, c)
		}
		limit += time.Duration(float64(r.Limit) * s.scale)
		if r.Prepare != nil {
			limit += time.Duration(float64(r.Limit) * s.scale)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the suite's process hung: no end after %s", limit.Round(time.Second)))
	defer cancel()
	ctx, died := context.WithCancelCause(ctx)
	defer died(nil)

	reboots := make(chan check.RebootPhase)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if d := s.watch(ctx, answering{i.machine}, i.console, mark, reboots); d != nil {
			died(d)
		}
	}()
	tell := s.tell(i)
	end := s.spawner.run(ctx, spec, i.dir, func(e check.Event) {
		if e.Reboot == "" {
			tell(e)
			return
		}
		select {
		case reboots <- e.Reboot:
		case <-watched:
		}
	})
	died(nil)
	<-watched
	return end
}

// tell passes a child's events on to whoever watches.
func (s *session) tell(i *instance) func(check.Event) {
	return func(e check.Event) {
		p := Progress{Time: time.Now(), Stage: "check", Name: string(e.ID), Done: e.Done, Text: string(e.ID) + " in " + i.name}
		s.mu.Lock()
		if e.Done {
			s.done++
			p.OK = e.Outcome == reports.Passed || e.Outcome == reports.Skipped
			p.Text = fmt.Sprintf("%s %s (%s)", e.ID, e.Outcome, e.Took.Round(100*time.Millisecond))
			if e.Message != "" {
				p.Text += ": " + e.Message
			}
		}
		p.Checks, p.Total = s.done, s.total
		s.mu.Unlock()
		s.opt.Progress(p)
	}
}

// tripped says how the emulator broke the kernel of a guest since mark, if it
// did: what fails in it then is nobody's failure.
func (s *session) tripped(i *instance, mark int64) string {
	if s.accel == accel.KVM {
		return ""
	}
	for _, f := range i.console.FindingsSince(mark) {
		if f.Kind == console.EmulatorFault {
			return "the emulator tripped: " + f.Line
		}
	}
	return ""
}

// death is how the guest died since mark, nil when it lives.
func (i *instance) death(mark int64) *guestDied {
	if f, ok := i.console.Fatal(mark); ok {
		return &guestDied{finding: &f}
	}
	select {
	case <-i.machine.Gone():
		end := i.machine.End()
		return &guestDied{end: &end, said: hasKind(i.console.FindingsSince(mark), console.Shutdown)}
	default:
		return nil
	}
}

// blame is the check that answers for the guest's death.
func (s *session) blame(checks []check.Registered, end childEnd) reports.CaseID {
	if end.Running != nil {
		return end.Running.ID
	}
	var lost, open, judge reports.CaseID
	for _, r := range checks {
		e, ok := end.Done[r.ID()]
		switch {
		case ok && e.Outcome == reports.Errored && e.Fault == reports.FaultInfra:
			lost = r.ID()
		case !ok && open == "":
			open = r.ID()
		}
		if r.JudgesReboot && !ok {
			judge = r.ID()
		}
	}
	for _, id := range []reports.CaseID{lost, judge, open} {
		if id != "" {
			return id
		}
	}
	return checks[0].ID()
}

// guestDied ends a child because its guest is no more.
type guestDied struct {
	finding *console.Finding
	end     *machine.End
	said    bool // the console shows the guest going down
	// stuck says how a reboot ended in an idle guest that does not answer.
	stuck string
}

func (d *guestDied) Error() string {
	if d.stuck != "" {
		return "the guest did not come back from a reboot: " + d.stuck
	}
	if d.finding != nil {
		return fmt.Sprintf("%s: %s", d.finding.Kind.Title(), d.finding.Line)
	}
	if d.end.Kind == machine.EndShutdown {
		return "the guest powered itself off"
	}
	return fmt.Sprintf("the virtual machine ended (%s) %s", d.end.Kind, d.end.Detail)
}

// isImage reports whether the end of a guest that ran so is the image's own doing.
func (d *guestDied) isImage(kind accel.Kind) bool {
	if d.stuck != "" {
		return true
	}
	if d.finding != nil {
		if d.finding.Kind == console.EmulatorFault {
			return kind == accel.KVM
		}
		return d.finding.Kind != console.SoftLockup && d.finding.Kind != console.CPUTooOld
	}
	// QEMU ends like a guest that powered off when the host tells it to end.
	return d.end.Kind == machine.EndShutdown && d.said || d.end.Kind == machine.EndCrashed
}
