package release_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
)

func machine(name string) release.Actor { return release.Actor{Kind: release.Service, Name: name} }

// TestWhoReports: builds and answers come from whom the policy names, as soon as
// it names anybody.
func TestWhoReports(t *testing.T) {
	const b = release.BuildID("20261102_01")
	bob := release.Actor{Kind: release.Person, Name: "bob", Groups: []string{"qa"}}
	h := releasetest.NewHistory(t, stream)
	h.Build(b).Next()
	reports := map[string]release.Fact{
		"announce": releasetest.BuildSeen(h.Policy, "20261103_01", h.Now),
		"failed":   &release.BuildFailed{Compose: "c", Status: "DOOMED", Ended: h.Now},
		"packages": &release.PackagesListed{Build: b, Arch: artifact.X8664, Packages: []string{"a-1-1.x86_64"}},
		"answer":   releasetest.Answer(b, releasetest.QCOW2, 1, h.Now),
	}
	ask := func(by release.Actor, f release.Fact) error {
		t.Helper()
		e, err := release.NewEvent(stream, h.Now, by, f)
		if err != nil {
			t.Fatal(err)
		}
		return release.Allow(h.Policy, h.State, e, h.Now)
	}
	for name, f := range reports {
		for _, by := range []release.Actor{bob, machine("koji"), release.Self} {
			if err := ask(by, f); err != nil {
				t.Errorf("%s, and the policy names nobody: %v", name, err)
			}
		}
	}
	h.Policy.Overrides = append(h.Policy.Overrides,
		release.Permission{Machines: []release.Glob{"koji"}, May: []release.Override{release.MayAnnounce}},
		release.Permission{Machines: []release.Glob{"rig-*"}, Groups: []string{"qa"}, May: []release.Override{release.MayAnswer}})
	for name, f := range reports {
		right := "announce"
		if name == "answer" {
			right = "answer"
		}
		for _, c := range []struct {
			by    release.Actor
			right string
		}{
			{release.Self, right}, {machine("koji"), "announce"}, {machine("rig-7"), "answer"}, {bob, "answer"},
			{machine("other"), ""}, {releasetest.Alice, ""}, {release.Actor{Kind: release.Person, Name: "koji"}, ""}, {release.Actor{Kind: release.Person, Name: "assay"}, ""},
		} {
			err := ask(c.by, f)
			if (err == nil) != (c.right == right) {
				t.Errorf("%s by the %s %s: %v", name, c.by.Kind, c.by, err)
			}
			if err != nil && (!errors.Is(err, release.ErrNotAllowed) || !strings.Contains(err.Error(), "does not let "+c.by.Name+" "+right)) {
				t.Errorf("%s by the %s %s: %v", name, c.by.Kind, c.by, err)
			}
		}
	}
	// A right is no override, and machines have none whatever is written.
	h.Policy.Overrides = []release.Permission{{Machines: []release.Glob{"*"}, Users: []string{"bob"}, May: append([]release.Override{release.MayMark}, release.Rights...)}}
	mark := &release.BuildMarked{Build: b, Mark: release.MarkBad, Word: releasetest.Word("x")}
	if err := ask(machine("koji"), mark); err == nil || !strings.Contains(err.Error(), "only a person may mark") {
		t.Errorf("a machine marks: %v", err)
	}
	if err := ask(bob, mark); err != nil {
		t.Error(err)
	}
	if err := ask(release.Self, &release.PolicySet{Text: "x", Digest: release.PolicyDigest("x", nil)}); err == nil {
		t.Error("a policy was set from outside")
	}
}

// TestRebuildsAreRefusedAtTheDoor, too.
func TestRebuildsAreRefusedAtTheDoor(t *testing.T) {
	b := newBoth(t, release.Follow{Stream: "up", Every: 2, Rebuild: true, Rebuilder: "cbs"})
	b.release(0)
	from := release.BuildRef{Stream: "up", Build: b.release(1)}
	b.down.Next()
	seen := releasetest.BuildSeen(b.down.Policy, "20261118_01", b.down.Now)
	seen.From, seen.Rebuild = &from, 1
	own := releasetest.BuildSeen(b.down.Policy, "20261118_02", b.down.Now)
	for _, f := range []release.Fact{seen, &release.RebuildFailed{From: from, Number: 1, Reason: "x"}, own} {
		for _, by := range []release.Actor{cbs, releasetest.Alice, machine("koji"), release.Self} {
			e, err := release.NewEvent("down", b.down.Now, by, f)
			if err != nil {
				t.Fatal(err)
			}
			err = release.Allow(b.down.Policy, b.down.State, e, b.down.Now)
			if (err == nil) != (by.Name == "cbs" || f == release.Fact(own)) || err != nil && !strings.Contains(err.Error(), "rebuilds of down come from the machine cbs") {
				t.Errorf("%s by %s: %v", f.Type(), by, err)
			}
		}
	}
}

// TestBuildsAreOfNoDayToCome: a clock that runs ahead makes no build that none
// after it is newer than.
func TestBuildsAreOfNoDayToCome(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	for _, c := range []struct {
		by      release.Actor
		build   release.BuildID
		created time.Duration
		want    string
	}{
		{machine("koji"), "20261104_01", 48 * time.Hour, ""},
		{machine("koji"), "20261102_01", 49 * time.Hour, "says it was created at"},
		{releasetest.Alice, "20261102_01", 49 * time.Hour, "says it was created at"},
		{machine("koji"), "20261105_01", 0, "a day to come"},
		{releasetest.Alice, "20261105_01", 0, ""},
	} {
		e, err := release.NewEvent(stream, h.Now, c.by, releasetest.BuildSeen(h.Policy, c.build, h.Now.Add(c.created)))
		if err != nil {
			t.Fatal(err)
		}
		err = release.Allow(h.Policy, h.State, e, h.Now)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, release.ErrNotAllowed) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s created %s from now by %s: %v, want %q", c.build, c.created, c.by, err, c.want)
		}
	}
}
