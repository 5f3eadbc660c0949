package harness

import (
	"context"
	"strings"
	"testing"

	"assay/suites/check"
)

func reg(suite, name string, f func(*check.Check)) check.Registered {
	c := check.Check{Name: name, Title: "t", State: check.Booted, Run: func(context.Context, *check.T) error { return nil }}
	if f != nil {
		f(&c)
	}
	return check.Registered{Suite: check.Suite{Name: suite}, Check: c}
}

var some = []check.Registered{
	reg("base", "a", nil),
	reg("base", "b", func(c *check.Check) { c.Isolated = true; c.Labels = []string{"slow"} }),
	reg("base", "c", nil),
	reg("base", "d", func(c *check.Check) { c.State = check.Fresh }),
	reg("storage", "a", func(c *check.Check) { c.Labels = []string{"docker"} }),
}

func ids(rs []check.Registered) string {
	var out []string
	for _, r := range rs {
		out = append(out, string(r.ID()))
	}
	return strings.Join(out, " ")
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		name string
		sel  Selection
		want string
	}{
		{"everything", Selection{}, "base/a base/b base/c base/d storage/a"},
		{"a suite", Selection{Suites: []string{"storage"}}, "storage/a"},
		{"a glob", Selection{Checks: []string{"*/a"}}, "base/a storage/a"},
		{"both must match", Selection{Suites: []string{"base"}, Checks: []string{"*/a"}}, "base/a"},
		{"a label", Selection{Labels: []string{"slow", "docker"}}, "base/b storage/a"},
		{"not a label", Selection{Labels: []string{"!slow"}}, "base/a base/c base/d storage/a"},
		{"all but a suite", Selection{Labels: []string{"!storage"}}, "base/a base/b base/c base/d"},
	} {
		got, err := Select(some, c.sel)
		if err != nil || ids(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, ids(got), err, c.want)
		}
	}
}

func TestSelectRefusesWhatChoosesNothing(t *testing.T) {
	for _, c := range []struct {
		sel  Selection
		want string
	}{
		{Selection{Suites: []string{"bas"}}, `"bas"`},
		{Selection{Checks: []string{"base/a", "base/nope"}}, `"base/nope"`},
		{Selection{Checks: []string{"storage"}}, "did you mean storage/a?"},
		{Selection{Labels: []string{"typo"}}, `label "typo": no check has it; there are base,`},
		{Selection{Labels: []string{"!typo"}}, `label "typo"`},
		{Selection{Suites: []string{"storage"}, Checks: []string{"base/a"}}, "chosen by all of --suite storage --check base/a"},
		{Selection{Checks: []string{"["}}, "pattern"},
	} {
		got, err := Select(some, c.sel)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Select(%v) = %q, %v; want an error with %s", c.sel, ids(got), err, c.want)
		}
	}
}

func TestPlanKeepsApartWhatMustNotMeet(t *testing.T) {
	jobs := plan(some, 2)
	var got []string
	for _, j := range jobs {
		got = append(got, j.Key+"["+ids(j.Checks)+"]")
	}
	once := "base[base/a base/c] base/b[base/b] base@fresh[base/d] storage[storage/a]"
	if want := once + " " + once; strings.Join(got, " ") != want {
		t.Errorf("plan is %q, want %q", strings.Join(got, " "), want)
	}
}

func TestOneRebootServesEverySuite(t *testing.T) {
	rebooted := func(c *check.Check) { c.State = check.Rebooted }
	jobs := plan([]check.Registered{reg("base", "a", rebooted), reg("base", "b", nil), reg("storage", "a", rebooted)}, 1)
	if len(jobs) != 2 || jobs[0].Key != "rebooted" || ids(jobs[0].Checks) != "base/a storage/a" {
		t.Errorf("plan %v; want one guest for both checks after a reboot", jobs)
	}
}

func TestBootChecksNeedNoGuestOfTheirOwn(t *testing.T) {
	got, err := Select(Checks(), Selection{Checks: []string{"boot/kernel"}})
	if err != nil || len(got) != 1 {
		t.Fatalf("%q, %v; a boot check can be chosen like any other", ids(got), err)
	}
	if jobs := plan(got, 1); len(jobs) != 0 {
		t.Errorf("plan %v; the boot itself answers it", jobs)
	}
}

func TestWithoutTag(t *testing.T) {
	for in, want := range map[string]string{
		"quay.io/os:41":          "quay.io/os",
		"localhost:5000/os":      "localhost:5000/os",
		"localhost:5000/os:a":    "localhost:5000/os",
		"quay.io/os:41@sha256:0": "quay.io/os",
		"quay.io/os@sha256:0":    "quay.io/os",
	} {
		if got := withoutTag(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
