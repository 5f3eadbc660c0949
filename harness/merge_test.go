package harness

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"assay/harness/accel"
	"assay/harness/console"
	"assay/reports"
	"assay/suites/check"
)

func emptySession() *session {
	opt := Options{Image: "i.qcow2", Progress: func(Progress) {}, Log: discardLog()}
	return &session{opt: opt, run: &reports.Run{Started: time.Now()}, cases: map[reports.CaseID]*reports.Case{}, names: map[string]int{}}
}

func caseOf(s *session, id reports.CaseID) (c reports.Case) {
	for _, su := range s.run.Suites {
		for _, c := range su.Cases {
			if c.ID == id {
				return c
			}
		}
	}
	return c
}

func answered(r check.Registered, o reports.Outcome, f reports.Fault, msg string) reports.Case {
	return reports.Case{ID: r.ID(), Title: r.Title, Blocking: !r.Advisory, Outcome: o, Fault: f, Message: msg}
}

func TestUnansweredChecksAreNeverAPass(t *testing.T) {
	s := emptySession()
	checks := some[:3]
	s.record(answered(checks[0], reports.Passed, "", ""))
	s.addAttempt(checks[1], reports.Attempt{Number: 1, Outcome: reports.Errored, Fault: reports.FaultInfra, Message: "the guest froze"})
	s.assemble(checks)
	if s.run.Verdict != reports.Undecided {
		t.Errorf("verdict %s, want undecided", s.run.Verdict)
	}
	if c := caseOf(s, "base/b"); c.Outcome != reports.Errored || c.Fault != reports.FaultInfra || len(c.Attempts) != 1 {
		t.Errorf("a check with a spoiled try only: %+v; want errored, infra, one attempt", c)
	}
	if c := caseOf(s, "base/c"); c.Outcome != reports.Skipped {
		t.Errorf("a check that was never tried: %+v; want skipped", c)
	}
}

// TestInterrupted: an interrupted run tells what it knows, asks for the rest, and
// accepts nothing.
func TestInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		before []reports.Case
		want   reports.Verdict
	}{
		"nothing known": {},
		"only skips":    {before: []reports.Case{answered(some[0], reports.Skipped, "", "")}},
		"one passed":    {before: []reports.Case{answered(some[0], reports.Passed, "", "")}, want: reports.Undecided},
		"all passed":    {before: []reports.Case{answered(some[0], reports.Passed, "", ""), answered(some[1], reports.Passed, "", ""), answered(some[2], reports.Passed, "", "")}, want: reports.Undecided},
		"one failed":    {before: []reports.Case{answered(some[0], reports.Failed, reports.FaultImage, "broken")}, want: reports.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			s := emptySession()
			s.opt.Results, s.run.Version, s.run.ID = t.TempDir(), reports.FormatVersion, "r"
			s.opt.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			for _, b := range c.before {
				s.record(b)
			}
			run := s.broken(some[:3])
			if c.want == "" {
				if run != nil {
					t.Errorf("%+v", run)
				}
				return
			}
			if run == nil || run.Verdict != c.want || run.Incomplete == "" {
				t.Fatalf("%+v", run)
			}
			written, err := reports.Read(s.opt.Results)
			if err != nil || written.Verdict != c.want || written.Incomplete != run.Incomplete {
				t.Errorf("%+v, %v", written, err)
			}
			if last := caseOf(s, some[2].ID()); name == "one passed" && (last.Outcome != reports.Errored || last.Fault != reports.FaultInfra) {
				t.Errorf("what was not answered: %+v", last)
			}
		})
	}
}

func TestOneFailureOfManyRepeatsIsAFailure(t *testing.T) {
	s := emptySession()
	r := some[0]
	s.record(answered(r, reports.Passed, "", ""))
	s.record(answered(r, reports.Failed, reports.FaultImage, "broken"))
	s.record(answered(r, reports.Passed, "", ""))
	s.record(answered(r, reports.Errored, reports.FaultInfra, "lost"))
	s.assemble(some[:1])
	c := caseOf(s, r.ID())
	if c.Outcome != reports.Failed || c.Message != "broken" || len(c.Attempts) != 3 {
		t.Errorf("%+v; want the failure, and the other three runs as attempts", c)
	}
	if s.run.Verdict != reports.Rejected {
		t.Errorf("verdict %s, want rejected", s.run.Verdict)
	}
}

func TestARetryKeepsTheSpoiledTry(t *testing.T) {
	s := emptySession()
	r := some[0]
	s.addAttempt(r, reports.Attempt{Number: 1, Outcome: reports.Errored, Fault: reports.FaultInfra, Message: "the fork did not answer"})
	s.record(answered(r, reports.Passed, "", ""))
	s.assemble(some[:1])
	c := caseOf(s, r.ID())
	if c.Outcome != reports.Passed || len(c.Attempts) != 1 || c.Attempts[0].Message != "the fork did not answer" {
		t.Errorf("%+v; want passed, with the spoiled try to see", c)
	}
}

// TestASudoThatDoesNotWork is the image's failure, and the rest is judged all the
// same by root.
func TestASudoThatDoesNotWork(t *testing.T) {
	s := emptySession()
	i := &instance{name: "boot-1", console: console.New(nil, time.Now), noSudo: "sudo says no"}
	s.recordUp(i, true)
	s.record(answered(some[0], reports.Passed, "", ""))
	s.assemble(some[:1])
	if c := caseOf(s, bootRoot); c.Outcome != reports.Failed || c.Fault != reports.FaultImage || c.Message != "sudo says no" || s.run.Verdict != reports.Rejected {
		t.Errorf("%s: %+v", s.run.Verdict, c)
	}
	s = emptySession()
	s.recordUp(&instance{name: "boot-1", console: console.New(nil, time.Now), noRoot: errors.New("sudo hangs")}, true)
	s.assemble(nil)
	if c := caseOf(s, bootRoot); c.Outcome != reports.Errored || c.Fault != reports.FaultInfra {
		t.Errorf("%+v", c)
	}
	s = emptySession()
	s.recordUp(&instance{name: "boot-1", console: console.New(nil, time.Now)}, true)
	s.assemble(nil)
	if c := caseOf(s, bootRoot); c.Outcome != reports.Passed {
		t.Errorf("%+v", c)
	}
}

// TestWhatAHostDoesToABoot: a restart that an emulator may have caused is no pass and
// not the image's fault; a host's disk never shows in the guest, which is paused.
func TestWhatAHostDoesToABoot(t *testing.T) {
	for _, c := range []struct {
		text  string
		kind  accel.Kind
		id    reports.CaseID
		fault reports.Fault
	}{
		{"[    5.000000] I/O error, dev vda, sector 2048 op 0x0:(READ)\n", accel.KVM, bootConsole, reports.FaultImage},
		{"[    5.000000] EXT4-fs error (device vda4): ext4_lookup:1855: inode #2\n", accel.KVM, bootConsole, reports.FaultImage},
		{"[    0.000000] Linux version 6.12.0\n[    9.000000] vda: vda1\n[    0.000000] Linux version 6.12.0\n", accel.TCG, bootKernel, reports.FaultInfra},
		{"[    0.000000] Linux version 6.12.0\n[    9.000000] vda: vda1\n[    0.000000] Linux version 6.12.0\n", accel.KVM, bootKernel, reports.FaultImage},
		{"[    0.000000] Linux version 6.12.0\n[    9.000000] vda: vda1\n[    0.000000] Linux version 6.12.0\n[    9.000000] BUG: unable to handle page fault for address: 0\n",
			accel.TCG, bootKernel, reports.FaultImage},
	} {
		s := emptySession()
		s.accel = c.kind
		i := &instance{name: "boot-1", console: console.New(nil, time.Now)}
		_, _ = i.console.Write([]byte(c.text))
		s.recordUp(i, true)
		s.assemble(nil)
		if got := caseOf(s, c.id); got.Fault != c.fault || got.Outcome == reports.Passed {
			t.Errorf("%q under %s: %+v", c.text, c.kind, got)
		}
	}
}

func TestABootThatStoppedNamesItsStep(t *testing.T) {
	s := emptySession()
	s.recordDown(&notUpError{diagnosis: diagnosis{Check: bootInitramfs, Fault: reports.FaultImage, Message: "no root"}, guest: "boot-1"})
	s.assemble(some[:1])
	for id, want := range map[reports.CaseID]reports.Outcome{
		bootLoader: reports.Passed, bootKernel: reports.Passed, bootInitramfs: reports.Failed,
		bootEmergency: reports.Skipped, bootSSH: reports.Skipped, bootComplete: reports.Skipped, "base/a": reports.Skipped,
	} {
		if c := caseOf(s, id); c.Outcome != want {
			t.Errorf("%s %s, want %s", id, c.Outcome, want)
		}
	}
	if s.run.Verdict != reports.Rejected {
		t.Errorf("verdict %s, want rejected", s.run.Verdict)
	}
}

func TestABootTheHostSpoiledSaysNothingOfTheImage(t *testing.T) {
	s := emptySession()
	s.recordDown(&notUpError{diagnosis: diagnosis{Check: bootLoader, Fault: reports.FaultInfra, Message: "QEMU died"}})
	s.assemble(some[:1])
	if s.run.Verdict != reports.Undecided {
		t.Errorf("verdict %s, want undecided", s.run.Verdict)
	}
	for _, su := range s.run.Suites {
		for _, c := range su.Cases {
			if c.Outcome == reports.Passed || c.Fault == reports.FaultImage {
				t.Errorf("%s: %s, %s; nothing is known of it", c.ID, c.Outcome, c.Fault)
			}
		}
	}
}

func TestSeedFailureStandsInItsOwnCriterion(t *testing.T) {
	s := emptySession()
	s.recordDown(&notUpError{diagnosis: diagnosis{Check: bootSeed, Fault: reports.FaultImage, Message: "seed ignored"}})
	s.assemble(some[:1])
	if c := caseOf(s, bootSeed); c.Outcome != reports.Failed {
		t.Errorf("%+v; want failed", c)
	}
	if c := caseOf(s, bootSSH); c.Outcome != reports.Passed {
		t.Errorf("boot/ssh %s; SSH answered", c.Outcome)
	}
}
