package site_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	coreos "github.com/coreos/stream-metadata-go/release"
	"github.com/coreos/stream-metadata-go/stream"

	"assay/release"
	"assay/release/site"
)

func strict(t *testing.T, b []byte, to any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
}

func TestStreamMetadata(t *testing.T) {
	in, _ := example(t)
	f := render(t, in)
	var s stream.Stream
	strict(t, f["streams/fedora-43/stream.json"], &s)
	d := s.Architectures["aarch64"].Artifacts["metal"].Formats["raw.xz"].Disk
	const location = "https://download.example.org/releases/fedora-43/20261117_01/Atomic-Host-20261117_01.aarch64.raw.xz"
	if d == nil || d.Location != location || d.Signature != location+".asc" || len(d.Sha256) != 64 {
		t.Errorf("%+v", d)
	}
	if s.Architectures["x86_64"].Images.Aws.Regions["us-east-1"].Image != "ami-0101c3b81a57f0a" || s.Architectures["x86_64"].Images.Gcp.Project != "example-cloud" {
		t.Errorf("%+v", s.Architectures["x86_64"].Images)
	}
	if s.Metadata.LastModified != "2026-12-02T09:30:00Z" {
		t.Errorf("last modified %s", s.Metadata.LastModified)
	}
	var r coreos.Release
	strict(t, f["streams/fedora-43/releases/20261117_01.json"], &r)
	if r.Architectures["aarch64"].Commit == "" || r.Architectures["aarch64"].Media.Metal.Artifacts["raw.xz"].Disk.Location != location || r.Architectures["x86_64"].Media.Aws.Images["us-east-1"].Image == "" {
		t.Errorf("%+v", r)
	}
	var index coreos.Index // whose readers pass over what is ours
	if err := json.Unmarshal(f["streams/fedora-43/releases.json"], &index); err != nil {
		t.Fatal(err)
	}
	for _, b := range []string{"20261117_01", "20261124_01"} {
		revoked := strings.Contains(string(f["streams/fedora-43/releases/"+b+".json"]), `"revoked"`)
		if revoked != (b == "20261124_01") || strings.Count(string(f["streams/fedora-43/releases.json"]), `"revoked"`) != 1 {
			t.Errorf("%s: revoked %t in\n%s", b, revoked, f["streams/fedora-43/releases.json"])
		}
	}
	var versions []string
	for _, e := range index.Releases {
		versions = append(versions, e.Version)
		if f[strings.TrimPrefix(e.MetadataURL, "https://download.example.org/")] == nil || len(e.Commits) != 2 {
			t.Errorf("%+v", e)
		}
	}
	if !reflect.DeepEqual(versions, []string{"20261103_01", "20261117_01", "20261124_01"}) {
		t.Errorf("releases %v", versions)
	}
}

func updatesOf(t *testing.T, in site.Input, name string) map[string]site.UpdateMetadata {
	t.Helper()
	var u site.Updates
	strict(t, render(t, in)["streams/"+name+"/updates.json"], &u)
	out := map[string]site.UpdateMetadata{}
	last := ""
	for _, r := range u.Releases {
		if r.Version <= last {
			t.Errorf("%s after %s", r.Version, last)
		}
		last = r.Version
		out[r.Version] = r.Metadata
	}
	return out
}

func TestUpdatesAfterARevocation(t *testing.T) {
	in, l := example(t)
	in.Streams[0].Barriers = []site.Barrier{{Build: "20261103_01", Reason: "https://docs.example.org/barrier"}}
	u := updatesOf(t, in, "fedora-43")
	all := &site.UpdateRollout{StartPercentage: 1}
	if m := u["20261124_01"]; m.Deadend == nil || m.Deadend.Reason != "https://tracker.example.org/issue/820" || m.Rollout != nil {
		t.Errorf("revoked: %+v", m)
	}
	if m := u["20261117_01"]; m.Deadend != nil || !reflect.DeepEqual(m.Rollout, all) {
		t.Errorf("out again: %+v", m)
	}
	if m := u["20261103_01"]; m.Barrier == nil {
		t.Errorf("barrier: %+v", m)
	}
	// A newer release lets machines leave the bad one.
	l.Policy = in.Streams[0].Policy
	l.At("2026-12-14T03:00:00Z")
	l.build("20261214_01")
	l.At("2026-12-15T12:05:00Z").Next()
	u = updatesOf(t, in, "fedora-43")
	if m := u["20261124_01"]; m.Deadend != nil || m.Rollout != nil || m.Revoked == nil {
		t.Errorf("revoked, with a newer one out: %+v", m)
	}
	if m := u["20261214_01"]; m.Rollout == nil || m.Rollout.StartEpoch != l.Now.Unix() || m.Rollout.DurationMinutes != 48*60 || m.Rollout.StartPercentage != 0 {
		t.Errorf("new: %+v", m)
	}
	if m := u["20261117_01"]; !reflect.DeepEqual(m.Rollout, all) {
		t.Errorf("the one before: %+v", m)
	}
}

func TestUpdatesWithNothingLeft(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	l.At("2026-11-03T12:10:00Z")
	l.build("20261103_01")
	l.MustSay(&release.ReleaseRevoked{Build: "20261103_01", Word: release.Word{Reason: "eats disks"}})
	u := updatesOf(t, site.Input{URL: "https://example.org", State: l.State, Now: l.Now.Add(time.Hour), Streams: []site.Stream{{Policy: l.Policy}}}, "new")
	if len(u) != 1 || u["20261103_01"].Deadend == nil || u["20261103_01"].Deadend.Reason != "eats disks" {
		t.Errorf("%+v", u)
	}
}

// TestRevocationOfAnOlderRelease: it is on every page that has the release, and
// machines may leave it.
func TestRevocationOfAnOlderRelease(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	for _, b := range []release.BuildID{"20261103_01", "20261117_01"} {
		l.At(string(b[:4]) + "-" + string(b[4:6]) + "-" + string(b[6:8]) + "T12:10:00Z")
		l.build(b)
	}
	in := site.Input{URL: "https://example.org", State: l.State, Now: l.Now.Add(time.Hour), Streams: []site.Stream{{Policy: l.Policy}}}
	if home := page(t, render(t, in), "streams/new/index.html"); strings.Contains(home, "revoked") {
		t.Fatalf("nothing was revoked:\n%s", home)
	}
	l.MustSay(&release.ReleaseRevoked{Build: "20261103_01", Word: release.Word{Reason: "eats disks", Tracker: "https://tracker.example.org/issue/820"}})
	l.effects()
	f := render(t, in)
	home := page(t, f, "streams/new/index.html")
	for _, want := range []string{"20261103_01 was revoked. Do not use it.", "Eats disks", "It was out from 3 November 2026 to 17 November 2026", "should be updated to 20261117_01", "Bug "} {
		if !strings.Contains(home, want) {
			t.Errorf("the page lacks %q:\n%s", want, home)
		}
	}
	for _, name := range []string{"releases.html", "builds/20261103_01.html", "history.html"} {
		if !strings.Contains(page(t, f, "streams/new/"+name), "revoked") {
			t.Errorf("%s does not say it", name)
		}
	}
	if !strings.Contains(string(f["streams/new/releases.atom"]), "20261103_01 was revoked") {
		t.Error("the feed does not say it")
	}
	u := updatesOf(t, in, "new")
	if m := u["20261103_01"]; m.Revoked == nil || m.Revoked.Reason != "https://tracker.example.org/issue/820" || m.Deadend != nil || m.Rollout != nil {
		t.Errorf("updates: %+v", m)
	}
	if m := u["20261117_01"]; m.Revoked != nil || m.Rollout == nil {
		t.Errorf("updates: %+v", m)
	}
	// In time it is history: on the pages of releases, and no warning any more.
	in.Now = in.Now.AddDate(0, 2, 0)
	f = render(t, in)
	if strings.Contains(page(t, f, "streams/new/index.html"), "Do not use it") || !strings.Contains(page(t, f, "streams/new/releases.html"), "revoked") {
		t.Error("two months later")
	}
}

// TestSamplesReadAsOurTypes holds our form of updates to those of Fedora CoreOS,
// and ours to the fields that theirs have.
func TestSamplesReadAsOurTypes(t *testing.T) {
	dir := os.Getenv("ASSAY_SAMPLES")
	if dir == "" {
		dir = "../../../shared/samples"
	}
	names, err := filepath.Glob(filepath.Join(dir, "coreos/updates/*.json"))
	if err != nil || len(names) == 0 {
		t.Skipf("0 samples in %s", dir)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), `"updates":`) {
			continue // a draft of 2019, which nobody reads any more
		}
		var u site.Updates
		strict(t, b, &u)
		if u.Stream == "" {
			t.Errorf("%s: %+v", name, u)
		}
	}
	t.Logf("%d samples of updates", len(names))
	in, _ := example(t)
	f := render(t, in)
	for mine, theirs := range map[string]string{"stream.json": "stream/stream-metadata-go-fcos-stream.json", "releases.json": "releases/stream-metadata-go-fcos-releases.json",
		"updates.json": "updates/next.json"} {
		b, err := os.ReadFile(filepath.Join(dir, "coreos", theirs))
		if err != nil {
			t.Fatal(err)
		}
		var a, c any
		if err := json.Unmarshal(b, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(f["streams/fedora-43/"+mine], &c); err != nil {
			t.Fatal(err)
		}
		allowed := map[string]bool{}
		shape(a, "", allowed)
		for _, k := range []string{
			".metadata.generator", // of a later version of the form
			// Ours: which release is bad and why, which their forms cannot say. Readers
			// pass over what they do not know; the dead end beside it is in their form.
			".releases[].revoked", ".releases[].revoked.reason",
			".releases[].metadata.revoked", ".releases[].metadata.revoked.reason",
		} {
			allowed[k] = true
		}
		got := map[string]bool{}
		shape(c, "", got)
		for k := range got {
			if !allowed[k] {
				t.Errorf("%s: theirs has no %s", mine, k)
			}
		}
	}
}

// free are the levels whose names are data: architectures, platforms, formats,
// regions.
var free = map[string]bool{".architectures": true, ".architectures.*.artifacts": true, ".architectures.*.artifacts.*.formats": true, ".architectures.*.images.aws.regions": true}

func shape(v any, at string, out map[string]bool) {
	out[at] = true
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if free[at] {
				k = "*"
			}
			shape(x, at+"."+k, out)
		}
	case []any:
		for _, x := range v {
			shape(x, at+"[]", out)
		}
	}
}
