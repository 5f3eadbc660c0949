package check

import (
	"context"
	"errors"
	"fmt"

	"assay/harness/guest"
	"assay/reports"
)

// Judgement is what a check's return value means.
type Judgement struct {
	Outcome reports.Outcome
	Fault   reports.Fault
	Message string
	Details string
	// Inapplicable: see reports.Case.
	Inapplicable bool
}

// Classify turns a check's error into an outcome and a fault.
//
// A time-out inside the guest is the infrastructure's: a starved host looks
// the same. A check that holds the image to a time says so with Failf.
func Classify(err error) Judgement {
	var f *failure
	var s *skip
	var i *infra
	var te *guest.TransportError
	var to *guest.TimeoutError
	var nr *guest.NotReadyError
	var ce *guest.CommandError
	switch {
	case err == nil:
		return Judgement{Outcome: reports.Passed}
	case errors.As(err, &f):
		return Judgement{Outcome: reports.Failed, Fault: reports.FaultImage, Message: f.msg, Details: f.details}
	case errors.As(err, &s):
		return Judgement{Outcome: reports.Skipped, Message: s.reason, Inapplicable: s.inapplicable}
	case errors.As(err, &i), errors.As(err, &te), errors.As(err, &to), errors.As(err, &nr),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Judgement{Outcome: reports.Errored, Fault: reports.FaultInfra, Message: err.Error()}
	case errors.As(err, &ce):
		// The check wanted output it should have been ready to lack.
		return Judgement{Outcome: reports.Errored, Fault: reports.FaultTest,
			Message: err.Error(), Details: ce.Result.Stdout + ce.Result.Stderr}
	}
	return Judgement{Outcome: reports.Errored, Fault: reports.FaultTest, Message: err.Error()}
}

// classify is Classify that also knows the guest. One that restarts although
// nobody asked it to has crashed: under KVM that is the image's doing; an
// emulator that trips restarts a guest too.
func (t *T) classify(err error) Judgement {
	var again *guest.RestartedError
	j := Classify(err)
	if j.Fault == reports.FaultInfra && errors.As(err, &again) && t.Env.Accelerator == "kvm" {
		j.Outcome, j.Fault = reports.Failed, reports.FaultImage
	}
	return j
}

// Do runs the check's function and turns a panic into the test's own fault.
func (r Registered) Do(ctx context.Context, t *T) (j Judgement) {
	defer func() {
		if p := recover(); p != nil {
			j = panicked(p)
		}
	}()
	if t.RebootErr != nil && !r.JudgesReboot {
		return Classify(Infraf("the guest did not come back from its reboot: %w", t.RebootErr))
	}
	return t.classify(r.Run(ctx, t))
}

// DoPrepare runs the check's Prepare and keeps its value in t. A nil answer
// means that Do comes next; any other is the check's.
func (r Registered) DoPrepare(ctx context.Context, t *T) (answer *Judgement) {
	defer func() {
		if p := recover(); p != nil {
			j := panicked(p)
			answer = &j
		}
	}()
	value, err := r.Prepare(ctx, t)
	if err != nil {
		j := t.classify(err)
		return &j
	}
	t.Prepared = value
	return nil
}

func panicked(p any) Judgement {
	return Judgement{Outcome: reports.Errored, Fault: reports.FaultTest, Message: fmt.Sprintf("the check panicked: %v", p)}
}
