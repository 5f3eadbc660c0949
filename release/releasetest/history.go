package releasetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/reports"
)

// TB is the part of testing.TB (and of rapid.T) that the kit uses.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Alice is a person whom Policy lets do everything.
var Alice = release.Actor{Kind: release.Person, Name: "alice"}

// Deadline and Start are where histories begin: a Monday morning.
var Start = time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)

// QCOW2 and Vagrant are the artifacts that Policy wants.
const (
	QCOW2   release.ArtifactID = "qcow2/x86_64"
	Vagrant release.ArtifactID = "vagrant-libvirt/x86_64"
)

// Policy is a two-week policy for a stream, with two artifacts: dates are every
// second Tuesday, 12:00 UTC, from 3 November 2026.
func Policy(stream release.Stream) *release.Policy {
	return &release.Policy{
		Stream: stream, Title: "Test OS", Refs: []release.Glob{"test/*"},
		Artifacts: []release.Wanted{{ID: QCOW2}, {ID: Vagrant}},
		Calendar:  &release.Calendar{Weeks: 2, First: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), Hour: 12, Zone: time.UTC},
		OnNothing: release.Retry,
		Tests:     release.Tests{Retries: 1, Timeout: 6 * time.Hour},
		Overrides: []release.Permission{{Users: []string{Alice.Name}, May: release.Overrides}},
		Trackers:  []release.TrackerPolicy{{Name: "tracker", NoImage: true, Checks: true, Revoked: true, OpenAfter: 1, CloseAfter: 2}},
		Keys:      []release.Key{{Name: "key"}},
		Targets:   []release.Target{{Name: "site"}},
		Announce:  []release.Channel{{Name: "mail"}},
	}
}

// History builds a history step by step at a clock of its own. Every event it
// appends, it appends as the release stage would: through State.Update.
type History struct {
	TB     TB
	Log    release.Log
	State  *release.State
	Policy *release.Policy
	// Now is the clock; move it with At or Add.
	Now time.Time
}

// NewHistory is an opened history in memory, with Policy(stream), at Start.
func NewHistory(tb TB, stream release.Stream) *History {
	tb.Helper()
	h := &History{TB: tb, Log: &Log{}, State: release.NewState(), Policy: Policy(stream), Now: Start}
	h.record("", release.Self, &release.HistoryOpened{History: "test"})
	return h
}

// Add moves the clock.
func (h *History) Add(d time.Duration) *History { h.Now = h.Now.Add(d); return h }

// At sets the clock to an RFC 3339 time.
func (h *History) At(s string) *History {
	h.TB.Helper()
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		h.TB.Fatalf("%v", err)
	}
	h.Now = t
	return h
}

// Record appends a fact without asking Allow.
func (h *History) Record(by release.Actor, f release.Fact) *History {
	h.TB.Helper()
	return h.record(h.Policy.Stream, by, f)
}

func (h *History) record(stream release.Stream, by release.Actor, f release.Fact) *History {
	h.TB.Helper()
	e, err := release.NewEvent(stream, h.Now, by, f)
	if err == nil {
		err = h.State.Update(context.Background(), h.Log, func(*release.State) ([]release.Event, error) { return []release.Event{e}, nil })
	}
	if err != nil {
		h.TB.Fatalf("%v", err)
	}
	return h
}

// Say appends what Alice says, if Allow lets her.
func (h *History) Say(f release.Fact) error {
	stream := h.Policy.Stream
	if _, ok := f.(*release.HistoryAcknowledged); ok {
		stream = ""
	}
	e, err := release.NewEvent(stream, h.Now, Alice, f)
	if err != nil {
		return err
	}
	return h.State.Update(context.Background(), h.Log, func(s *release.State) ([]release.Event, error) {
		return []release.Event{e}, release.Allow(h.Policy, s, e, h.Now)
	})
}

// MustSay is Say for words that have to be allowed.
func (h *History) MustSay(f release.Fact) *History {
	h.TB.Helper()
	if err := h.Say(f); err != nil {
		h.TB.Fatalf("%v", err)
	}
	return h
}

// Build announces a build made now with the artifacts that the policy wants.
func (h *History) Build(id release.BuildID) *History {
	h.TB.Helper()
	return h.Record(release.Self, BuildSeen(h.Policy, id, h.Now))
}

// BuildSeen is an announcement with every artifact the policy wants, digests
// derived from the names.
func BuildSeen(p *release.Policy, id release.BuildID, created time.Time) *release.BuildSeen {
	f := &release.BuildSeen{Build: id, Compose: fmt.Sprintf("Test-%s", id), Created: created.UTC(),
		Commits: []release.Commit{{Arch: artifact.X8664, Ref: "test/x86_64/host", Checksum: Digest(id, "commit").Hex()}}}
	for _, w := range p.Artifacts {
		name := fmt.Sprintf("Test-%s.%s.%s", id, w.ID.Arch(), w.ID.Kind())
		f.Artifacts = append(f.Artifacts, release.Artifact{ID: w.ID, Name: name, Location: "/builds/" + name, Digest: Digest(id, w.ID), Size: 1 << 20})
	}
	return f
}

// Digest is the digest that BuildSeen gives an artifact.
func Digest(build release.BuildID, id release.ArtifactID) artifact.Digest {
	return artifact.DigestOf(sha256.Sum256([]byte(string(build) + " " + string(id))))
}

// Next appends what release.Next wants, until it wants nothing more.
func (h *History) Next() *History {
	h.TB.Helper()
	for i := 0; ; i++ {
		before := h.State.Head()
		err := h.State.Update(context.Background(), h.Log, func(s *release.State) ([]release.Event, error) { return release.Next(h.Policy, s, h.Now) })
		if err != nil {
			h.TB.Fatalf("%v", err)
		}
		if h.State.Head() == before {
			return h
		}
		if i > 1000 {
			h.TB.Fatalf("release.Next never has enough")
		}
	}
}

// Answer answers the present test of an artifact. Without cases it is accepted
// with two passed checks; failed cases make it rejected, others undecided.
func (h *History) Answer(build release.BuildID, id release.ArtifactID, cases ...release.Case) *History {
	h.TB.Helper()
	b := h.State.Line(h.Policy.Stream).Build(build)
	if b == nil || b.Artifact(id) == nil || b.Artifact(id).Attempt == 0 {
		h.TB.Fatalf("no test of %s %s was asked for", build, id)
	}
	return h.Record(release.Self, Answer(build, id, b.Artifact(id).Attempt, h.Now, cases...))
}

// Answer is an answer that a worker gives to an attempt.
func Answer(build release.BuildID, id release.ArtifactID, attempt int, at time.Time, cases ...release.Case) *release.TestAnswered {
	f := &release.TestAnswered{Build: build, Artifact: id, Attempt: attempt, Digest: Digest(build, id), Verdict: reports.Accepted,
		Reason: "all blocking checks passed", Run: fmt.Sprintf("run-%s-%d", build, attempt), Results: "/results/" + string(build), Finished: at.UTC(),
		Passed: release.CheckList{"base/running", "upgrade/plain"}, Cases: cases}
	if id.Arch() == artifact.X8664 {
		f.OSTreeCommit = Digest(build, "commit").Hex()
	}
	for _, c := range cases {
		f.Passed = without(f.Passed, c.Check)
		switch {
		case !c.Blocking || c.Known.Covers():
		case c.Outcome == reports.Failed && c.Fault == reports.FaultImage:
			f.Verdict, f.Reason = reports.Rejected, string(c.Check)+" failed"
		case f.Verdict == reports.Accepted:
			f.Verdict, f.Reason = reports.Undecided, string(c.Check)+" was not answered"
		}
	}
	return f
}

func without(l release.CheckList, id reports.CaseID) (out release.CheckList) {
	for _, c := range l {
		if c != id {
			out = append(out, c)
		}
	}
	return out
}

// Failed is a blocking failure of the image.
func Failed(check reports.CaseID) release.Case {
	return release.Case{Check: check, Outcome: reports.Failed, Fault: reports.FaultImage, Blocking: true, Message: "it does not work", Replay: "assay run --check " + string(check)}
}

// Errored is a blocking question without an answer.
func Errored(check reports.CaseID) release.Case {
	return release.Case{Check: check, Outcome: reports.Errored, Fault: reports.FaultInfra, Blocking: true, Message: "the emulator died"}
}

// Tested announces a build, asks for its tests and answers them all with the
// same cases; then Next runs once more.
func (h *History) Tested(id release.BuildID, cases ...release.Case) *History {
	h.TB.Helper()
	h.Build(id).Next()
	for _, w := range h.Policy.Artifacts {
		h.Answer(id, w.ID, cases...)
	}
	return h.Next()
}

// Decide is release.Decide now.
func (h *History) Decide() release.Decision { return release.Decide(h.Policy, h.State, h.Now) }

// Out is the build that is out, empty when none is.
func (h *History) Out() release.BuildID {
	if r := h.State.Line(h.Policy.Stream).Out(); r != nil {
		return r.Build
	}
	return ""
}

// Word is a reason with a tracker link.
func Word(reason string) release.Word {
	return release.Word{Reason: reason, Tracker: "https://tracker.example/1"}
}
