package policy

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/release"
)

func TestWholePolicy(t *testing.T) {
	p, err := Read("testdata/fedora-43.yaml")
	if err != nil {
		t.Fatal(err)
	}
	prague, _ := time.LoadLocation("Europe/Prague")
	want := &release.Policy{
		Stream: "fedora-43", Title: "Fedora Atomic Host, based on Fedora 43", About: "Nothing here was tested by hand. You can help us fix it.",
		Docs:      []release.Link{{Title: "Documentation", URL: "https://docs.example/"}},
		Artifacts: []release.Wanted{{ID: "iso/x86_64", Optional: true}, {ID: "qcow2/aarch64"}, {ID: "qcow2/x86_64"}, {ID: "vagrant-libvirt/x86_64"}},
		Refs:      []release.Glob{"fedora/43/*/atomic-host"},
		Criteria:  []release.Criterion{{Checks: "storage/*", Artifacts: "vagrant-libvirt/*"}},
		Require:   []release.Required{{Checks: "upgrade/*", Artifacts: "qcow2/*"}},
		Tests:     release.Tests{Retries: 2, Timeout: 6 * time.Hour},
		Calendar:  &release.Calendar{Weeks: 2, First: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), Hour: 14, Zone: prague},
		OnNothing: release.Retry, Grace: 12 * time.Hour,
		Nightly: &release.Nightly{Hour: 8, Days: []time.Weekday{1, 2, 3, 4, 5}},
		Overrides: []release.Permission{
			{Users: []string{"alice"}, May: release.Overrides},
			{Groups: []string{"qa"}, May: []release.Override{"waive"}, Checks: []release.Glob{"storage/*"}, Except: []release.Glob{"storage/data-loss"}},
		},
		Trackers: []release.TrackerPolicy{{Name: "pagure", NoImage: true, Checks: true, Revoked: true, OpenAfter: 1, CloseAfter: 2}},
		Keys:     []release.Key{{Name: "fedora-43"}},
		Targets:  []release.Target{{Name: "site"}, {Name: "mirror", Steps: []release.Step{"stage", "images", "pointer"}, AfterAnnounce: true}},
		Announce: []release.Channel{{Name: "mail"}, {Name: "bus"}}, Results: []release.Channel{{Name: "bus"}},
	}
	raw, err := os.ReadFile("testdata/fedora-43.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want.Source = &release.PolicySet{Text: string(raw), Digest: release.HashOf(raw)}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got\n%+v\nwant\n%+v", p, want)
	}
	p, err = Read("testdata/centos-atomic.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Follow; f == nil || *f != (release.Follow{Stream: "fedora-43", Every: 2, Rebuild: true, Rebuilder: "cbs"}) {
		t.Errorf("follow: %+v", f)
	}
}

// TestTypos changes one thing in a good policy.
func TestTypos(t *testing.T) {
	raw, err := os.ReadFile("testdata/fedora-43.yaml")
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	for _, c := range []struct{ old, new, says string }{
		{"calendar:", "calender:", `p.yaml:19:1: unknown field "calender"`},
		{"keys: [fedora-43]\n", "", "targets: releases would be published unsigned"},
		{"keys: [fedora-43]", "keys: [fedora-43]\nunsigned: true", "unsigned: it names keys, too"},
		{"retries: 2", "retrys: 2", `p.yaml:17:9: unknown field "retrys"`},
		{"retries: 2", "retries: two", "p.yaml:17:18: "},
		{"retries: 2", "retries: -1", "p.yaml:17:18: tests.retries: want 0 to 20, not -1"},
		{"weeks: 2", "weeks: 0", "p.yaml:20:10: calendar.weeks: want 1 to 104 weeks"},
		{"Europe/Prague", "Europe/Prag", `p.yaml:23:9: calendar.zone: there is no time zone "Europe/Prag"`},
		{"  zone: Europe/Prague\n", "", "p.yaml:20:"},
		{`at: "14:00"`, `at: "25:00"`, "p.yaml:22:7: calendar.at: want a time of day"},
		{"2026-11-03", "2026-11-31", "p.yaml:21:10: calendar.first: want a date"},
		{"passed: retry", "passed: rety", `p.yaml:24:22: when_nothing_passed: want one of retry, skip, not "rety"`},
		{"when_nothing_passed: retry", "", "when_nothing_passed: want one of retry, skip"},
		{"unlisted: refuse", "unlisted: ignore", "p.yaml:11:13: artifacts.unlisted: want one of refuse, leave-out"},
		{"iso/x86_64", "iso", "p.yaml:10:14: artifacts.optional[0]: artifact \"iso\": want KIND/ARCH"},
		{"iso/x86_64", "qcow2/x86_64", "is listed twice"},
		{"required: [qcow2/x86_64, vagrant-libvirt/x86_64, qcow2/aarch64]", "required: []", "it requires no artifact"},
		{"promote, revoke", "promot, revoke", `p.yaml:29:48: overrides[0].may[3]: want one of waive, mark, block, promote, revoke, repair, announce, answer, not "promot"`},
		{"{users: [alice], may: [waive,", "{machines: [koji], may: [waive,", `p.yaml:29:30: overrides[0].may[0]: machines have [announce answer]: only a person may waive`},
		{"{users: [alice], may: [waive,", "{may: [waive,", `overrides[0]: want users, groups or machines`},
		{`"storage/*"], except`, `"storage/["], except`, "p.yaml:30:43: overrides[1].checks[0]: pattern"},
		{", blocking: false", "", "p.yaml:14:"},
		{"timeout: 6h", "timeout: 6", "p.yaml:17:30: tests.timeout: want a duration"},
		{"days: [monday", "days: [mon", "p.yaml:26:31: nightly.days[0]: want one of sunday"},
		{"close_after: 2", "close_after: 0", "p.yaml:33:83: trackers[0].close_after: want 1 to 100 builds"},
		{"steps: [stage, images, pointer]", "steps: [stage, images]", "without pointer nobody would be told"},
		{"announce: [mail, bus]", "announce: [mail, mail]", `"mail" is listed twice`},
		{"announce: [mail, bus]", "announce: [../x]", "announce[0]: want a name"},
		{"stream: fedora-43", "stream: Fedora/43", "p.yaml:2:9: stream: stream name"},
		{"stream: fedora-43", "stream: [a, b]", "p.yaml:2:9: "},
		{"title: Fedora", "stream: again\ntitle: Fedora", "p.yaml:3:1: "},
		{"keys: [fedora-43]", "follow: {stream: x, every: 2}", "want either calendar or follow"},
		{"keys: [fedora-43]", "keys: [fedora-43", "p.yaml:"},
		{"keys: [fedora-43]", "greenwave: [{file: gates.yaml, context: c, product_version: v}]", "p.yaml:34:20: greenwave[0].file: gates.yaml:3:1: unknown attribute \"decision_kontext\""},
		{"keys: [fedora-43]", "greenwave: [{file: ../policy.go, context: c, product_version: v}]", "p.yaml:34:20: greenwave[0].file: "},
		{"keys: [fedora-43]", "greenwave: [{file: gates.yaml, context: c}]", "want file, context and product_version"},
		{"# Two-week", "--- \nstream: x\n---\n# Two-week", "want one YAML document"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("the good policy has no %q", c.old)
		}
		_, err := Parse("p.yaml", []byte(strings.Replace(good, c.old, c.new, 1)), os.DirFS("testdata"))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q instead of %q: %v; want %q", c.new, c.old, err, c.says)
		}
	}
	for _, s := range []string{"", "# nothing\n", strings.Repeat("#", MaxSize+1)} {
		if _, err := Parse("p.yaml", []byte(s), os.DirFS("testdata")); err == nil {
			t.Errorf("%.20q was taken", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"fedora-43", "centos-atomic"} {
		raw, err := os.ReadFile("testdata/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := Parse("p", data, os.DirFS("testdata")); err == nil && p.Check() != nil {
			t.Fatalf("taken, and makes no sense: %v", p.Check())
		}
	})
}
