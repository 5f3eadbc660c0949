package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/reports"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		outcome reports.Outcome
		fault   reports.Fault
	}{
		{"nothing wrong", nil, reports.Passed, ""},
		{"the image's", Failf("unit x failed"), reports.Failed, reports.FaultImage},
		{"the image's, wrapped", fmt.Errorf("while looking: %w", FailWith("log", "x")), reports.Failed, reports.FaultImage},
		{"does not apply", Skipf("no SELinux"), reports.Skipped, ""},
		{"the harness's registry", Infraf("no registry"), reports.Errored, reports.FaultInfra},
		{"lost guest", fmt.Errorf("x: %w", &guest.TransportError{Err: errors.New("EOF")}), reports.Errored, reports.FaultInfra},
		{"slow guest", &guest.TimeoutError{Op: "x"}, reports.Errored, reports.FaultInfra},
		{"not back up", &guest.NotReadyError{}, reports.Errored, reports.FaultInfra},
		{"out of time", context.DeadlineExceeded, reports.Errored, reports.FaultInfra},
		{"a command the test should have expected", &guest.CommandError{Args: []string{"x"}}, reports.Errored, reports.FaultTest},
		{"a bug in the test", errors.New("index out of range"), reports.Errored, reports.FaultTest},
	} {
		j := Classify(c.err)
		if j.Outcome != c.outcome || j.Fault != c.fault {
			t.Errorf("%s: %s %q, want %s %q", c.name, j.Outcome, j.Fault, c.outcome, c.fault)
		}
		if j.Outcome != reports.Passed && j.Message == "" {
			t.Errorf("%s: no message", c.name)
		}
	}
}

func TestAGuestThatRestartsByItself(t *testing.T) {
	run := func(context.Context, *T) error {
		return &guest.TransportError{Op: "run", Err: &guest.RestartedError{Was: "a", Is: "b"}}
	}
	for accelerator, want := range map[string]reports.Fault{"kvm": reports.FaultImage, "tcg": reports.FaultInfra} {
		j := Registered{Check: Check{Run: run}}.Do(t.Context(), &T{Env: Env{Accelerator: accelerator}})
		if j.Fault != want || (j.Outcome == reports.Failed) != (want == reports.FaultImage) {
			t.Errorf("%s: %+v, want fault %s", accelerator, j, want)
		}
	}
}

func TestDoSurvivesAPanic(t *testing.T) {
	boom := func(context.Context, *T) error { panic("boom") }
	j := Registered{Check: Check{Run: boom}}.Do(t.Context(), &T{})
	if j.Outcome != reports.Errored || j.Fault != reports.FaultTest || !strings.Contains(j.Message, "boom") {
		t.Errorf("%+v; a panic is the test's own fault", j)
	}
	r := Registered{Check: Check{Prepare: func(context.Context, *T) (any, error) { panic("boom") }}}
	if j := r.DoPrepare(t.Context(), &T{}); j == nil || j.Fault != reports.FaultTest {
		t.Errorf("%+v; a panic while preparing is the test's own fault", j)
	}
}

func TestAfterAReboot(t *testing.T) {
	asked := 0
	r := Registered{Check: Check{
		Prepare: func(context.Context, *T) (any, error) { return 42, nil },
		Run: func(_ context.Context, t *T) error {
			asked++
			if t.Prepared != 42 {
				return fmt.Errorf("prepared %v", t.Prepared)
			}
			return t.RebootErr
		},
	}}
	held := &T{}
	if j := r.DoPrepare(t.Context(), held); j != nil {
		t.Fatalf("%+v", j)
	}
	if j := r.Do(t.Context(), held); j.Outcome != reports.Passed {
		t.Errorf("%+v; want passed", j)
	}
	held.RebootErr = guest.ErrRebootNotSeen
	if j := r.Do(t.Context(), held); j.Fault != reports.FaultInfra || asked != 1 {
		t.Errorf("%+v, asked %d times; a check that does not judge the reboot is not asked when it failed", j, asked)
	}
	r.JudgesReboot = true
	if r.Do(t.Context(), held); asked != 2 {
		t.Error("the check that judges the reboot was not asked")
	}
	r.Prepare = func(context.Context, *T) (any, error) { return nil, Skipf("no tool") }
	if j := r.DoPrepare(t.Context(), held); j == nil || j.Outcome != reports.Skipped {
		t.Errorf("%+v; what Prepare returns as an error is the answer", j)
	}
}

func TestRegisterRefusesMistakes(t *testing.T) {
	old := registry
	defer func() { registry = old }()
	run := func(context.Context, *T) error { return nil }
	prepare := func(context.Context, *T) (any, error) { return nil, nil }
	Register(Suite{Name: "s"}, Check{Name: "there", Title: "t", Run: run})
	for name, c := range map[string]Check{
		"used twice":             {Name: "there", Title: "t", Run: run},
		"no name":                {Title: "t", Run: run},
		"no title":               {Name: "a", Run: run},
		"no function":            {Name: "b", Title: "t"},
		"prepare without reboot": {Name: "c", Title: "t", Run: run, Prepare: prepare},
		"rebooted, not prepared": {Name: "d", Title: "t", Run: run, State: Rebooted},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			Register(Suite{Name: "s"}, c)
		}()
	}
}

func TestLacks(t *testing.T) {
	c := Check{Tools: []host.Tool{host.RPMOSTree, host.AtomicHost}}
	if why := c.Lacks([]host.Tool{host.OSTree, host.AtomicHost}); why != "" {
		t.Errorf("one of them is there: %q", why)
	}
	if why := c.Lacks([]host.Tool{host.OSTree}); why != "the image ships no rpm-ostree or atomic host" {
		t.Errorf("none is there: %q", why)
	}
	if why := (Check{}).Lacks(nil); why != "" {
		t.Errorf("a check that needs none: %q", why)
	}
}
