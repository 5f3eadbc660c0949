package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/harness/console"
	"assay/harness/keeper"
	"assay/harness/usercheck"
	"assay/reports"
	"assay/suites/check"
)

// ownFolder holds two checks of the user's.
func ownFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, header := range map[string]string{"a.sh": "#   labels: [web]\n", "b.sh": "#   criterion: S4\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n# assay:\n#   title: t\n"+header), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOwnChecksAreChosenLikeAnyOther(t *testing.T) {
	dir := ownFolder(t)
	all, err := ChecksWith([]string{dir})
	if err != nil || len(all) != len(Checks())+2 {
		t.Fatalf("%d checks, %v", len(all), err)
	}
	for _, c := range []struct {
		sel  Selection
		want string
	}{
		{Selection{Suites: []string{"user*"}}, "user/a user-s4/b"},
		{Selection{Checks: []string{"user/*"}}, "user/a"},
		{Selection{Labels: []string{"web"}}, "user/a"},
	} {
		if got, err := Select(all, c.sel); err != nil || ids(got) != c.want {
			t.Errorf("%+v: %q, %v", c.sel, ids(got), err)
		}
	}
	own, err := Select(all, Selection{Suites: []string{"user*"}})
	if err != nil {
		t.Fatal(err)
	}
	if jobs := plan(own, 1); len(jobs) != 2 || jobs[0].Key != "user/a" {
		t.Errorf("planned as %+v", jobs)
	}
	var pick *SelectionError
	if _, err := ChecksWith([]string{filepath.Join(dir, "gone")}); !errors.As(err, &pick) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestOwnChecksAreBundled follows checks from the folder into the suite's
// process and into the report.
func TestOwnChecksAreBundled(t *testing.T) {
	dir := ownFolder(t)
	all, own, err := checksWith([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := Select(all, Selection{Checks: []string{"user/a", "user-s4/b"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{opt: Options{Image: "x.qcow2"}, runDir: &keeper.RunDir{Path: t.TempDir()}}
	if err := s.packOwn(own, chosen[:1]); err != nil || len(s.own) != 1 {
		t.Fatalf("packed %v, %v", s.own, err)
	}
	c := s.own["user/a"]
	if st, err := os.Stat(c.Bundle); err != nil || st.Size() == 0 || filepath.Dir(c.Bundle) != s.runDir.Path {
		t.Errorf("bundle %q: %v", c.Bundle, err)
	}
	if want := "assay run --check user/a --checks " + dir + " x.qcow2"; s.replay("user/a") != want {
		t.Errorf("replay %q, want %q", s.replay("user/a"), want)
	}
	s.opt.UpdateRepo, s.opt.UpdateRef = "/repo", "os/next"
	if got, want := s.replay("upgrade/ostree"), "assay run --check upgrade/ostree --update-repo /repo --update-ref os/next x.qcow2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := s.replay("base/reboot"); strings.Contains(got, "--checks") {
		t.Errorf("replay of ours %q", got)
	}

	// What the suite's process reads is what it can run.
	job, err := json.Marshal(childSpec{Own: []usercheck.Check{c}})
	if err != nil {
		t.Fatal(err)
	}
	var spec childSpec
	if err := json.NewDecoder(bytes.NewReader(job)).Decode(&spec); err != nil {
		t.Fatal(err)
	}
	if r := spec.Own[0].Registered(t.TempDir()); r.ID() != "user/a" || spec.Own[0].Bundle != c.Bundle {
		t.Errorf("arrived as %+v", spec.Own[0])
	}

	i := &instance{name: "fork-1", dir: t.TempDir()}
	e := check.Event{ID: "user/a", Done: true, Started: time.Now(), Outcome: reports.Passed}
	if got := s.caseOf(chosen[0], e, i, nil).Evidence; got != nil {
		t.Errorf("evidence of a check that printed nothing: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(i.dir, usercheck.OutputName("user/a")), []byte("words\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range []reports.Case{s.caseOf(chosen[0], e, i, nil), s.brokenOff(chosen[0], e, &guestDied{stuck: "x"}, &instance{name: "fork-1", dir: i.dir, console: console.New(io.Discard, time.Now)})} {
		if len(r.Evidence) == 0 || r.Evidence[0].Path != "guests/fork-1/own-user-a.log" {
			t.Errorf("%s: evidence %+v", r.Outcome, r.Evidence)
		}
	}
	// A folder that changed since it was read is no reason to run half of it.
	if err := os.Remove(filepath.Join(dir, "b.sh")); err != nil {
		t.Fatal(err)
	}
	var infra *InfraError
	if err := s.packOwn(own, chosen); !errors.As(err, &infra) {
		t.Errorf("a check that is gone: %v", err)
	}
}
