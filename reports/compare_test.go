package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func ids(list []CaseChange) string {
	var out []string
	for _, c := range list {
		out = append(out, string(c.ID))
	}
	return strings.Join(out, " ")
}

func took(c Case, d time.Duration) Case {
	c.Duration = d
	return c
}

func TestCompare(t *testing.T) {
	img := FaultImage
	a := &Run{ID: "a", Image: Image{Name: "i-1", Kernel: "6.1"}, Verdict: Accepted, Suites: []Suite{suite("s",
		took(blocking("s/same", Passed, ""), time.Second),
		blocking("s/breaks", Passed, ""), blocking("s/mended", Failed, img), blocking("s/broken", Failed, img),
		blocking("s/lost", Passed, ""), blocking("s/found", Errored, FaultInfra), blocking("s/never", Errored, FaultTest),
		blocking("s/drops", Passed, ""), blocking("s/picked-up", Skipped, ""), blocking("s/skip", Skipped, ""), blocking("s/skip-fails", Skipped, ""),
		blocking("s/open-fails", Errored, FaultInfra), blocking("s/gone", Passed, ""),
		took(blocking("s/slow", Passed, ""), 4*time.Second), took(blocking("s/slower", Passed, ""), 4*time.Second),
		took(blocking("s/short", Passed, ""), 100*time.Millisecond), took(blocking("s/long", Passed, ""), 100*time.Second),
		took(blocking("s/fast", Passed, ""), 10*time.Second), blocking("s/twice", Passed, ""),
	)}, Boots: []Boot{{Kind: "cold", ToReady: 10 * time.Second, Kernel: time.Second}, {Kind: "fork", ToReady: time.Second}, {Kind: "fork", ToReady: 3 * time.Second}, {Kind: "fork", ToReady: 2 * time.Second}}}
	b := &Run{ID: "b", Image: Image{Name: "i-2", Kernel: "6.1"}, Verdict: Rejected, Suites: []Suite{suite("s",
		took(blocking("s/same", Passed, ""), 1200*time.Millisecond),
		blocking("s/breaks", Failed, img), blocking("s/mended", Passed, ""), blocking("s/broken", Failed, img),
		blocking("s/lost", Errored, FaultInfra), blocking("s/found", Passed, ""), blocking("s/never", Errored, FaultTest),
		blocking("s/drops", Skipped, ""), blocking("s/picked-up", Passed, ""), blocking("s/skip", Skipped, ""), blocking("s/skip-fails", Failed, img),
		blocking("s/open-fails", Failed, img),
		took(blocking("s/slow", Passed, ""), 7*time.Second), took(blocking("s/slower", Passed, ""), 70*time.Second),
		took(blocking("s/short", Passed, ""), time.Second), took(blocking("s/long", Passed, ""), 140*time.Second),
		took(blocking("s/fast", Passed, ""), 2*time.Second),
		blocking("s/twice", Failed, img), blocking("s/twice", Passed, ""),
		blocking("s/new", Passed, ""), blocking("s/new-fails", Failed, img),
	)}, Boots: []Boot{{Kind: "cold", ToReady: 20 * time.Second}, {Kind: "fork", ToReady: 2 * time.Second}}}
	c := Compare(a, b)
	for name, x := range map[string]struct {
		got  []CaseChange
		want string
	}{
		"newly failing":     {c.NewlyFailing, "s/breaks s/skip-fails s/open-fails s/twice"},
		"newly passing":     {c.NewlyPassing, "s/mended s/found"},
		"still failing":     {c.StillFailing, "s/broken"},
		"newly open":        {c.NewlyOpen, "s/lost"},
		"still open":        {c.StillOpen, "s/never"},
		"newly skipped":     {c.NewlySkipped, "s/drops"},
		"no longer skipped": {c.NoLongerSkipped, "s/picked-up"},
		"new":               {c.New, "s/new-fails s/new"},
		"gone":              {c.Gone, "s/gone"},
		"slower":            {c.Slower, "s/slower s/slow"},
		"faster":            {c.Faster, "s/fast"},
	} {
		if got := ids(x.got); got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
	if !c.Worse() || len(c.Identity) != 1 || c.Identity[0] != (FieldChange{"name", "i-1", "i-2"}) {
		t.Errorf("worse %t, identity %+v", c.Worse(), c.Identity)
	}
	if len(c.Boots) != 2 || c.Boots[0] != (BootChange{"cold", "ready", 10 * time.Second, 20 * time.Second, true}) ||
		c.Boots[1] != (BootChange{"fork", "ready", 2 * time.Second, 2 * time.Second, false}) {
		t.Errorf("boots %+v", c.Boots)
	}
	var text bytes.Buffer
	if err := c.Text(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"Newly failing (4)\n  ✗ s/breaks  (passed → failed)\n      because\n", "Slower (2)\n  ▲ s/slower  (4.0 s → 1 min 10 s, × 17.5)",
		"New checks (2)\n  + s/new-fails  (failed)", "name            i-1 → i-2", "cold    ready                     10 s → 20 s  ▲ slower"} {
		if !strings.Contains(text.String(), s) {
			t.Errorf("the text lacks %q:\n%s", s, text.String())
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("colours without being asked")
	}
}

func TestCompareAcrossAccelerators(t *testing.T) {
	a, b := sampleAccepted(), sampleRejected() // kvm and tcg
	c := Compare(a, b)
	if len(c.Slower)+len(c.Faster)+len(c.Boots) > 0 || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "KVM, the second under emulation") {
		t.Errorf("slower %q, faster %q, boots %v, notes %q", ids(c.Slower), ids(c.Faster), c.Boots, c.Notes)
	}
	if got := ids(c.NewlyFailing); got != "base/failed-units base/console-clean base/default-password base/ordering-cycle" {
		t.Errorf("newly failing: %s", got)
	}
}

// TestCompareOtherChoices: what only one run was told to ask is neither new nor gone.
func TestCompareOtherChoices(t *testing.T) {
	a := &Run{Suites: []Suite{suite("s", blocking("s/a", Passed, ""), blocking("s/both", Passed, ""))}}
	b := &Run{Suites: []Suite{suite("s", blocking("s/both", Passed, ""), blocking("s/b", Passed, ""))}, Selection: &Selection{Checks: []string{"s/b", "s/both"}, Labels: []string{"!slow"}}}
	var text bytes.Buffer
	if err := Compare(a, b).Text(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Run in B only (1)\n  + s/b", "Run in A only (1)\n  - s/a", "the first run was of all checks, the second of --check s/b,s/both --label !slow"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	if b.Selection = nil; Compare(a, b).OtherChoice {
		t.Error("the same choice is another")
	}
}

func TestCompareWithItself(t *testing.T) {
	run := sampleRejected()
	c := Compare(run, run)
	if c.Worse() || c.changed() || len(c.StillFailing) != 5 {
		t.Errorf("%+v", c)
	}
	var text, out bytes.Buffer
	if err := c.Text(&text, true); err != nil || !strings.Contains(text.String(), "No check changed.") {
		t.Errorf("%v: %s", err, text.String())
	}
	if err := c.EncodeJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	for key, v := range back {
		if v == nil {
			t.Errorf("%s is null", key)
		}
	}
}

func TestReplay(t *testing.T) {
	for _, c := range []struct{ image, want string }{
		{"a.qcow2", "assay run --check base/x a.qcow2"},
		{"it's a.qcow2", `assay run --check base/x 'it'"'"'s a.qcow2'`},
		{"-a.qcow2", "assay run --check base/x -- -a.qcow2"},
	} {
		if got := Replay(c.image, "base/x"); got != c.want {
			t.Errorf("Replay(%q) = %s, want %s", c.image, got, c.want)
		}
	}
	if got := Replay("i", "base/x", "--firmware", "bios"); got != "assay run --check base/x --firmware bios i" {
		t.Errorf("got %s", got)
	}
}
