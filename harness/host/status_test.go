package host

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/harness/guest/guesttest"
)

// marks shows what each deployment is: B(ooted), S(taged), P(ending),
// R(ollback), D(ownload only), p(inned).
func marks(s Status) string {
	var out []string
	for _, d := range s.Deployments {
		m := ""
		for _, f := range []struct {
			on   bool
			mark string
		}{{d.Booted, "B"}, {d.Staged, "S"}, {d.Pending, "P"}, {d.Rollback, "R"}, {d.DownloadOnly, "D"}, {d.Pinned, "p"}} {
			if f.on {
				m += f.mark
			}
		}
		out = append(out, first(m, "-"))
	}
	return strings.Join(out, " ")
}

func TestOSTreeStatus(t *testing.T) {
	head := func(mark, os, label string) string { return mark + " " + os + " " + sumA + ".0" + label + "\n" }
	for _, c := range []struct{ name, text, want string }{
		{"one", head("*", "os", ""), "B"},
		{"staged", head(" ", "os", " (staged)") + head("*", "os", "") + head(" ", "os", " (rollback)"), "SP B R"},
		{"pending, pinned", head(" ", "os", " (pending)") + "    Pinned: yes\n" + head("*", "os", ""), "Pp B"},
		{"before labels, upgraded", head("*", "os", "") + head(" ", "os", ""), "B R"},
		{"before labels, upgrade waits", head(" ", "os", "") + head("*", "os", ""), "P B"},
		{"other stateroot", head(" ", "x", "") + head("*", "os", "") + head(" ", "x", ""), "- B -"},
		{"not booted from it", head(" ", "os", ""), "-"},
		{"locked", head(" ", "os", " (finalization locked)") + head("*", "os", "") + head(" ", "os", "") + head(" ", "os", ""), "SD B R -"},
		{"none", "No deployments.\n", ""},
		{"JSON", `{"deployments":[{"checksum":"` + sumA + `","stateroot":"os","serial":1,"staged":true,"booted":false,"finalization-locked":true,"unlocked":"none"},
			{"checksum":"` + sumA + `","stateroot":"os","serial":0,"booted":true,"pinned":true,"unlocked":"development","refspec":"r:a/b","version":"1"}]}`, "SD Bp"},
	} {
		s, err := ParseOSTree(c.text)
		if got := marks(s); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	full := head("*", "os", "") + "    Version: 1.2: three\n    Unlocked: hotfix\n    origin refspec: r:a/b\n    GPG: Signature made Mon\n          Good signature from \"x\"\n" +
		head(" ", "os", "") + "    origin: <unknown origin type>\n    GPG: Can't check signature: public key not found\n" +
		head(" ", "os", "") + "    origin refspec: ostree-image-signed:docker://r.test/os:1\n"
	s, err := ParseOSTree(full)
	if err != nil || len(s.Deployments) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	if d := s.Deployments[0]; d.Version != "1.2: three" || d.Unlocked != "hotfix" || d.Origin != "r:a/b" || d.Ref() != "a/b" || d.BaseChecksum != sumA || !*d.Signed || len(d.Signatures) != 2 {
		t.Errorf("%+v", d)
	}
	if d := s.Deployments[1]; d.Origin != "" || *d.Signed {
		t.Errorf("%+v", d)
	}
	if d := s.Deployments[2]; d.Image == nil || *d.Image != (Image{Name: "r.test/os:1", Transport: "registry", Verification: "signed"}) {
		t.Errorf("%+v", d)
	}
	for _, bad := range []string{"", "    Version: 1\n", "hello\n", "* os abc.0\n", "* os " + sumA + "\n", "* " + sumA + ".0\n",
		head("*", "os", "") + head("*", "os", ""), "error: no such file\n", "* os " + sumA + ".-1\n", "{", "{}", `{"deployments":[{}]}`} {
		if s, err := ParseOSTree(bad); err == nil {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
}

const layeredJSON = `{"deployments": [
 {"id": "os-%[1]s.0", "osname": "os", "serial": 0, "checksum": "%[1]s", "base-checksum": "%[2]s", "version": "2", "timestamp": 1700000100, "base-timestamp": 1700000000,
  "origin": "r:os/x", "booted": false, "staged": true, "pinned": false, "unlocked": "none", "packages": ["htop"], "requested-packages": ["htop", "bash"],
  "requested-local-packages": ["a-1-1.noarch"], "base-removals": [["strace-4-1.x86_64", "strace", 0, "4", "1", "x86_64"]],
  "base-local-replacements": [[["docker-2-1.x86_64", "docker", 2, "2", "1", "x86_64"], ["docker-1-1.x86_64", "docker", 2, "1", "1", "x86_64"]]],
  "base-remote-replacements": {"repo=updates": [[["bash-6-1.x86_64", "bash", 0, "6", "1", "x86_64"], ["bash-5-1.x86_64", "bash", 0, "5", "1", "x86_64"]]]},
  "regenerate-initramfs": true, "initramfs-args": ["-v"], "gpg-enabled": true,
  "signatures": [[false, false, false, false, true, "BAD0"], [true, false, false, false, false, "C0FFEE"], [1]]},
 {"id": "os-%[2]s.0", "osname": "os", "serial": 0, "checksum": "%[2]s", "timestamp": 1700000000, "container-image-reference": "ostree-remote-image:fedora:docker://q.test/os:1",
  "container-image-reference-digest": "sha256:d", "booted": true, "pinned": true, "unlocked": "development", "packages": [], "live-replaced": "%[1]s"}],
 "transaction": ["upgrade", ":1.5", "/"],
 "cached-update": {"checksum": "%[1]s", "version": "3", "timestamp": 1700000200, "ref-has-new-commit": true, "rpm-diff": {
   "upgraded": [[1, "bash", ["5-1", "x86_64"], ["6-1", "x86_64"]]], "downgraded": [], "removed": [[1, "vi", "1-1", "noarch"]], "added": [[1], [1, "vim", "9-1", "x86_64"]]}}}`

func TestRPMOSTreeJSON(t *testing.T) {
	sumB := strings.Repeat("b", 64)
	s, err := ParseRPMOSTreeJSON([]byte(fmt.Sprintf(layeredJSON, sumA, sumB)))
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := Status{Tool: RPMOSTree, Busy: "upgrade", Deployments: []Deployment{
		{OSName: "os", Checksum: sumA, BaseChecksum: sumB, Version: "2", Timestamp: time.Unix(1700000000, 0).UTC(), Origin: "r:os/x", Staged: true, Pending: true,
			Requested: []string{"htop", "bash"}, Layered: []string{"htop"}, LocalPackages: []string{"a-1-1.noarch"}, Removed: []string{"strace-4-1.x86_64"},
			Replaced: []Replacement{{"bash", "5-1", "6-1"}, {"docker", "2:1-1", "2:2-1"}}, RegenerateInitramfs: true, InitramfsArgs: []string{"-v"}, Signed: &yes,
			Signatures: []string{"no valid signature by BAD0", "Valid signature by C0FFEE", "a signature of 1 attributes"}},
		{OSName: "os", Checksum: sumB, BaseChecksum: sumB, Timestamp: time.Unix(1700000000, 0).UTC(), Booted: true, Pinned: true, Unlocked: "development", LiveCommit: sumA,
			Image: &Image{Name: "q.test/os:1", Transport: "registry", Verification: "remote:fedora", Digest: "sha256:d"}},
	}, Update: &Update{Version: "3", Timestamp: time.Unix(1700000200, 0).UTC(), Checksum: sumA, Diff: Diff{
		Upgraded: []Replacement{{"bash", "5-1", "6-1"}}, Removed: []string{"vi-1-1.noarch"}, Added: []string{"vim-9-1.x86_64"}}}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v\nwant\n%+v", s, want)
	}
	if got := s.Deployments[0].Inactive(); !reflect.DeepEqual(got, []string{"bash"}) {
		t.Errorf("inactive: %q", got)
	}
	if diff := s.Deployments[0].Differences(want.Deployments[0]); diff != nil {
		t.Errorf("differences: %q", diff)
	}
	other := s.Deployments[0]
	other.Serial, other.Signed = 1, nil
	if diff := s.Deployments[0].Differences(other); len(diff) != 2 || diff[0] != "Serial: 0, other: 1" || !strings.HasPrefix(diff[1], "Signed: true, other: ") {
		t.Errorf("differences: %q", diff)
	}
	d := func(fields string) string {
		return `{"deployments":[{"osname":"os","checksum":"` + sumA + `"` + fields + `}]}`
	}
	for _, bad := range []string{"", "[]", "{}", "null", `{"deployments":[{}]}`, d(`,"serial":-1`), d(`,"base-checksum":"x"`), d(`,"container-image-reference":"odd"`),
		d(`,"base-removals":[7]`), d(`,"base-removals":[["a","b"]]`), d(`,"base-local-replacements":[["a"]]`), d(`,"booted":"yes"`), d(`,"packages":"htop"`),
		`{"deployments":[{"osname":"os","checksum":"` + sumA + `","booted":true},{"osname":"os","checksum":"` + sumA + `","booted":true}]}`} {
		if s, err := ParseRPMOSTreeJSON([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "cannot read rpm-ostree's status: ") {
			t.Errorf("%s gives %+v, %v", bad, s, err)
		}
	}
}

func TestRPMOSTreeText(t *testing.T) {
	table := "  TIMESTAMP (UTC)         VERSION   ID             OSNAME   REFSPEC\n  2015-09-23 13:52:23     22        edbe79d713     os       r:os/next   \n" +
		"* 2015-05-21 19:01:46               06a63ecfcf     os       r:os\n"
	s, err := ParseRPMOSTreeText(table)
	if err != nil || marks(s) != "P B" || s.Deployments[0].Version != "22" || s.Deployments[1].Version != "" || s.Deployments[1].Checksum != "06a63ecfcf" ||
		s.Deployments[0].Origin != "r:os/next" || s.Deployments[0].Timestamp.Hour() != 13 || s.Deployments[1].OSName != "os" {
		t.Errorf("%+v, %v", s, err)
	}
	block := "============\n  * DEFAULT ON BOOT\n------\n  version    7.1.0\n  timestamp  2015-02-05 14:52:09\n  id         " + sumA + ".3\n  osname     os\n  refspec    r:os\n============\n" +
		"  - ROLLBACK TARGET\n------\n  timestamp  2015-02-05 14:52:09\n  id         " + sumA + ".0\n  osname     os\n  refspec    r:os\n============\n"
	s, err = ParseRPMOSTreeText(block)
	if err != nil || marks(s) != "B R" || s.Deployments[0].Serial != 3 || s.Deployments[0].Version != "7.1.0" || s.Deployments[0].Origin != "r:os" {
		t.Errorf("%+v, %v", s, err)
	}
	keyed := "State: busy\nTransaction: upgrade\nAutomaticUpdates: disabled\nDeployments:\n  ostree://r:os/next\n      Version: 2 (2026-11-01T02:03:04Z)\n   BaseCommit: " + sumA +
		"\n       Commit: " + strings.Repeat("b", 64) + "\n    StateRoot: os\n       Staged: yes\n GPGSignature: 1 signature\n               Signature made Mon using RSA key ID 1\n               Good signature from \"x\"\n" +
		"      LayeredPackages: htop\n  InactiveRequests: bash\n LocalPackages: a-1-1.noarch\n RemovedBasePackages: strace vi 4-1\n LocalOverrides: docker docker-common 1-1 -> 2-1, bash 5-1 -> 6-1\n  Initramfs: -v -I /x\n" +
		"\n* ostree-unverified-registry:q.test/os:1\n      Digest: sha256:d\n     Version: 1 (2026-10-01 02:03:04)\n BootedCommit: " + sumA + "\n   LiveCommit: " + sumA + "\n    StateRoot: os\n    Unlocked: hotfix\n GPGSignature: (unsigned)\n  Initramfs: regenerate\n" +
		"\n  os/x (index: 2)\n   Timestamp: 2026-09-01T02:03:04Z\n      Commit: " + sumA + "\n   StateRoot: os\n      Pinned: yes\n\nAvailableUpdate:\n     Version: 3 (2026-11-02T02:03:04Z)\n      Commit: " + sumA + "\n        Diff: 2 upgraded\n"
	s, err = ParseRPMOSTreeText(keyed)
	if err != nil || marks(s) != "SP B Rp" || s.Busy != "upgrade" {
		t.Fatalf("%s: %+v, %v", marks(s), s, err)
	}
	if d := s.Deployments[0]; d.Origin != "r:os/next" || d.Version != "2" || d.BaseChecksum != sumA || d.Checksum == sumA || !*d.Signed || len(d.Signatures) != 2 ||
		!reflect.DeepEqual(d.Inactive(), []string{"bash"}) || len(d.LocalPackages) != 1 || !reflect.DeepEqual(d.Removed, []string{"strace-4-1", "vi-4-1"}) ||
		!reflect.DeepEqual(d.Replaced, []Replacement{{"bash", "5-1", "6-1"}, {"docker", "1-1", "2-1"}, {"docker-common", "1-1", "2-1"}}) || len(d.InitramfsArgs) != 3 {
		t.Errorf("%+v", d)
	}
	if d := s.Deployments[1]; d.Image == nil || d.Image.Digest != "sha256:d" || d.LiveCommit != sumA || d.Unlocked != "hotfix" || *d.Signed || !d.RegenerateInitramfs || d.InitramfsArgs != nil {
		t.Errorf("%+v", d)
	}
	if d := s.Deployments[2]; d.Origin != "os/x" || d.Timestamp.Month() != 9 {
		t.Errorf("%+v", d)
	}
	if u := s.Update; u == nil || u.Version != "3" || u.Checksum != sumA {
		t.Errorf("%+v", u)
	}
	for _, bad := range []string{"", "hello", "TIMESTAMP\n* yesterday\n", "====\n * x\n what is this\n====\n", "====\n  * DEFAULT\n----\n  osname x\n====\n", "====\n * x\n  id abc.0\n",
		"State: idle\nDeployments:\n      Commit: " + sumA + "\n", "State: idle\nDeployments:\n* r:os\n", "State: idle\nDeployments:\n* r:os\n   Commit: none\n",
		"State: idle\nDeployments:\n* r:os\n   Timestamp: soon\n", strings.ReplaceAll(table, "  2015", "* 2015")} {
		if s, err := ParseRPMOSTreeText(bad); err == nil {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
}

// A tool without --json is asked for its text.
func TestStatusOfOldTools(t *testing.T) {
	g := guesttest.New(t)
	g.On("rpm-ostree", "status", "--json").Says("error: Unknown option --json\n").Exits(1)
	g.On("rpm-ostree", "status").Prints("State: idle\nDeployments:\n* r:os\n   Commit: " + sumA + "\n")
	g.On("atomic", "host", "status", "--json").Says("usage: atomic\natomic: error: unrecognized arguments: --json\n").Exits(2)
	g.On("atomic", "host", "status").Prints("  TIMESTAMP (UTC)  ID  OSNAME  REFSPEC\n* 2015-05-21 19:01:46  06a63ecfcf  os  r:os\n")
	for _, tool := range []Tool{RPMOSTree, AtomicHost} {
		if s, err := New(tool, g).Status(t.Context()); err != nil || marks(s) != "B" || s.Tool != tool {
			t.Errorf("%s: %+v, %v", tool, s, err)
		}
	}
	g.AssertAllUsed()
}

func TestStatusFails(t *testing.T) {
	for _, tool := range Tools {
		g := guesttest.New(t)
		p := g.On(strings.Fields(string(tool))[0], guesttest.Rest)
		if tool == OSTree {
			p = g.On("sh", "-c", ostreeStatusScript)
		}
		p.Says("error: Loading sysroot: No such file or directory\n").Exits(1).Then().Prints("garbage\n")
		var refused *RefusedError
		if _, err := New(tool, g).Status(t.Context()); !errors.As(err, &refused) || refused.Tool != tool {
			t.Errorf("%s: %v", tool, err)
		}
		if s, err := New(tool, g).Status(t.Context()); err == nil {
			t.Errorf("%s: garbage gives %+v", tool, s)
		}
	}
	g := guesttest.New(t)
	g.On("sh", "-c", ostreeStatusScript).Exits(noOSTree).Then().Exits(127)
	for range 2 {
		if _, err := New(OSTree, g).Status(t.Context()); !errors.Is(err, ErrNoOSTree) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := (Status{}).Booted(); !errors.Is(err, ErrNotBooted) {
		t.Errorf("got %v", err)
	}
}

func bootcJSON(status string) string {
	return `{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","metadata":{"name":"host"},"spec":{"image":null},"status":` + status + `}`
}

func bootcEntryJSON(sum, extra string) string {
	return `{"image":{"image":{"image":"r.test/os:1","transport":"registry","signature":{"ostreeRemote":"fedora"}},"version":"1","timestamp":"2026-11-01T02:03:04.5Z","imageDigest":"sha256:` + sum[:1] +
		`"},"ostree":{"checksum":"` + sum + `","deploySerial":1,"stateroot":"default"}` + extra + `}`
}

func TestBootc(t *testing.T) {
	sumB, sumC := strings.Repeat("b", 64), strings.Repeat("c", 64)
	s, err := ParseBootc([]byte(bootcJSON(`{"staged":` + bootcEntryJSON(sumC, `,"downloadOnly":true`) + `,"booted":` +
		bootcEntryJSON(sumA, `,"pinned":true,"cachedUpdate":{"image":{"image":"r.test/os:1","transport":"registry"},"version":"2","timestamp":null,"imageDigest":"sha256:z"}`) +
		`,"rollback":` + bootcEntryJSON(sumB, "") + `,"otherDeployments":[` + bootcEntryJSON(sumC, "") + `],"usrOverlay":{"accessMode":"readWrite","persistence":"transient"}}`)))
	if err != nil || marks(s) != "SD Bp R -" || s.Update == nil || s.Update.Digest != "sha256:z" || s.Update.Version != "2" {
		t.Fatalf("%s: %+v, %v", marks(s), s, err)
	}
	if d := s.Deployments[1]; d.OSName != "default" || d.Serial != 1 || d.Checksum != sumA || d.Unlocked != "development" ||
		*d.Image != (Image{Name: "r.test/os:1", Transport: "registry", Verification: "remote:fedora", Digest: "sha256:a"}) || d.Timestamp.Second() != 4 {
		t.Errorf("%+v", d)
	}
	queued := bootcJSON(`{"booted":` + bootcEntryJSON(sumA, "") + `,"rollback":` + bootcEntryJSON(sumB, "") + `,"rollbackQueued":true}`)
	if s, err := ParseBootc([]byte(queued)); err != nil || marks(s) != "P B" || s.Deployments[0].Checksum != sumB {
		t.Errorf("%s: %+v, %v", marks(s), s, err)
	}
	composefs := bootcJSON(`{"booted":{"image":null,"composefs":{"verity":"` + sumA + sumA + `"}},"usrOverlay":{"accessMode":"readOnly","persistence":"transient"}}`)
	if s, err := ParseBootc([]byte(composefs)); err != nil || s.Deployments[0].Checksum != sumA+sumA || s.Deployments[0].Unlocked != "transient" {
		t.Errorf("%+v, %v", s, err)
	}
	yaml := "apiVersion: org.containers.bootc/v1alpha1\nkind: BootcHost\nstatus:\n  booted:\n    image:\n      image:\n        image: r.test/os:1\n        transport: registry\n        signature: SIGNATURE\n" +
		"      version: 2.10\n      timestamp: 2026-11-01T02:03:04Z\n      imageDigest: sha256:a\n    ostree:\n      checksum: " + sumA + "\n      deploySerial: 0\n  rollback: null\n"
	for signature, want := range map[string]string{`!ostreeRemote "fedora"`: "remote:fedora", "insecure": "unverified", "containerPolicy": "signed", "null": "",
		"{ostreeRemote: fedora}": "remote:fedora", "!containerPolicy": "signed"} {
		s, err := ParseBootc([]byte(strings.ReplaceAll(yaml, "SIGNATURE", signature)))
		if err != nil || s.Deployments[0].Image.Verification != want || s.Deployments[0].Version != "2.10" || s.Deployments[0].Timestamp.Hour() != 2 {
			t.Errorf("%s: %+v, %v", signature, s, err)
		}
	}
	if _, err := ParseBootc([]byte(bootcJSON(`{"staged":null,"booted":null,"rollback":null}`))); !errors.Is(err, ErrNotBootc) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "{", "[1]", `{"kind":"Pod"}`, `{"kind":"BootcHost","apiVersion":"org.containers.bootc/v2"}`, bootcJSON(`{"booted":{}}`),
		bootcJSON(`{"booted":{"ostree":{"checksum":"x"}}}`), bootcJSON(`{"booted":{"composefs":{"verity":"x"}}}`), bootcJSON(`{"staged":{}}`), "kind: [", "a: &a [*a]\n",
		strings.ReplaceAll(yaml, "SIGNATURE", "[a]"), bootcJSON(`{"booted":` + strings.Replace(bootcEntryJSON(sumA, ""), `{"ostreeRemote":"fedora"}`, "[1]", 1) + `}`)} {
		if s, err := ParseBootc([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
}

func TestBootcText(t *testing.T) {
	text := "  Staged image: r.test/os:2\n        Digest: sha256:b (amd64)\n       Version: 2 (2026-11-01T02:03:04Z)\n\n● Booted image: containers-storage:localhost/os\n        Digest: sha256:a (amd64)\n" +
		"       Version: 1\n        Pinned: yes\n      Stateroot: default\n UpdateVersion: 3 (2026-11-03T02:03:04Z)\n  UpdateDigest: sha256:c\n  /usr overlay: transient, read-only\n\n  Rollback ostree\n           Commit: " + sumA + "\n"
	s, err := ParseBootcText(text)
	if err != nil || marks(s) != "SP Bp -" || s.Update == nil || s.Update.Digest != "sha256:c" {
		t.Fatalf("%s: %+v, %v", marks(s), s, err)
	}
	if d := s.Deployments[1]; d.Image.Transport != "containers-storage" || d.Image.Digest != "sha256:a" || d.Unlocked != "transient" || d.Version != "1" {
		t.Errorf("%+v", d)
	}
	if d := s.Deployments[2]; d.Checksum != sumA {
		t.Errorf("%+v", d)
	}
	for _, bad := range []string{"", "No staged image present\n", "   Digest: x\n", "System is not deployed via bootc.\n", "● Booted image: a\nwhat?\n"} {
		if s, err := ParseBootcText(bad); err == nil {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
}

func TestImageReference(t *testing.T) {
	for s, want := range map[string]Image{
		"ostree-unverified-registry:q.test/os:1":            {"q.test/os:1", "registry", "unverified", ""},
		"ostree-unverified-image:oci-archive:/a.tar":        {"/a.tar", "oci-archive", "unverified", ""},
		"ostree-image-signed:docker://q.test/os@sha256:abc": {"q.test/os@sha256:abc", "registry", "signed", "sha256:abc"},
		"ostree-remote-registry:fedora:q.test/os":           {"q.test/os", "registry", "remote:fedora", ""},
		"ostree-remote-image:fedora:oci:/x":                 {"/x", "oci", "remote:fedora", ""},
	} {
		if got, ok := parseImage(s); !ok || got != want || got.Reference() != s {
			t.Errorf("%s: %+v (%s)", s, got, got.Reference())
		}
	}
	for _, s := range []string{"", "r:os/x", "os/x", "ostree-unverified-registry:", "ostree-image-signed:docker:", "ostree-unverified-image:x"} {
		if got, ok := parseImage(s); ok {
			t.Errorf("%q is no image: %+v", s, got)
		}
	}
}

func TestSameChecksum(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{sumA, sumA, true}, {sumA, "aaaaaaaaaa", true}, {"aaaaaaaaaa", sumA, true}, {sumA, "aaaaaaaaab", false}, {sumA, "aaaaaaaaa", false}, {"", "", false}} {
		if got := SameChecksum(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %v", c.a, c.b, got)
		}
	}
}
