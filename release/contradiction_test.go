package release_test

import (
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// TestAnnouncementsContradict: each change of a word makes the build no release.
func TestAnnouncementsContradict(t *testing.T) {
	const b = release.BuildID("20261102_01")
	for name, c := range map[string]struct {
		change func(*release.BuildSeen)
		good   bool
	}{
		"the same":         {func(*release.BuildSeen) {}, true},
		"a part":           {func(f *release.BuildSeen) { f.Artifacts, f.Commits = f.Artifacts[1:], nil }, true},
		"created":          {func(f *release.BuildSeen) { f.Created = f.Created.Add(-time.Hour) }, false},
		"location":         {func(f *release.BuildSeen) { f.Artifacts[0].Location = "https://evil.example/x" }, false},
		"size":             {func(f *release.BuildSeen) { f.Artifacts[0].Size++ }, false},
		"name":             {func(f *release.BuildSeen) { f.Artifacts[0].Name = "other.qcow2" }, false},
		"repository":       {func(f *release.BuildSeen) { f.Commits[0].Repo = "https://evil.example/repo" }, false},
		"one name for two": {func(f *release.BuildSeen) { f.Artifacts = f.Artifacts[:1]; f.Artifacts[0].ID = "iso/x86_64" }, false},
	} {
		h := releasetest.NewHistory(t, stream)
		h.Policy.LeaveOutUnlisted = true
		h.Tested(b)
		f := releasetest.BuildSeen(h.Policy, b, h.Now)
		c.change(f)
		h.Add(time.Minute).Record(release.Self, f)
		if j := release.JudgeBuild(h.Policy, h.State.Line(stream).Build(b), h.Now); (j.Standing == release.Good) != c.good {
			t.Errorf("%s: %s %v", name, j.Standing, j.Reasons)
		}
	}
}
