package release

import (
	"slices"
	"time"
)

// Task is a test that was asked for and not answered, with what a worker needs
// to know of it.
type Task struct {
	Stream Stream `json:"stream"`
	// Request is what the answer is to; see AnswerOf.
	Request TestRequested `json:"request"`
	// Artifact says where its bytes can be had; they are those of Request.Digest
	// or are not tested.
	Artifact Artifact `json:"artifact"`
	Compose  string   `json:"compose,omitempty"`
	// Asked is when, by the stage's clock.
	Asked time.Time `json:"asked"`
	// LeaveOut are labels of checks that a run may leave out and still count.
	LeaveOut []string `json:"leave_out,omitempty"`
}

// taskBuilds bounds how many builds are looked at for work: whoever is a hundred
// nightlies behind does not catch up.
const taskBuilds = 100

// Tasks are the tests of a stream that are waited for at now, those of the newest
// build first. Builds that will not be released whatever their tests say are left
// out.
func Tasks(p *Policy, s *State, now time.Time) (out []Task) {
	if p.Check() != nil {
		return nil
	}
	n := 0
	for b := range s.Line(p.Stream).Builds() {
		if n++; n > taskBuilds {
			break
		}
		if b.MarkedBad || b.Revoked != nil || b.Contradiction != "" {
			continue
		}
		for _, w := range p.Artifacts {
			a := b.Artifact(w.ID)
			if a == nil || !a.Known || a.Attempt == 0 || a.Answer() != nil || !a.isAwaited(p, now) {
				continue
			}
			out = append(out, Task{Stream: p.Stream, Artifact: a.Artifact, Compose: b.Compose, Asked: a.AskedAt, LeaveOut: slices.Clone(p.Tests.LeaveOut),
				Request: TestRequested{Build: b.ID, Artifact: a.ID, Digest: a.Digest, Attempt: a.Attempt, Deadline: a.Deadline}})
		}
	}
	return out
}
