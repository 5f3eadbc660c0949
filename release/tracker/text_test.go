package tracker

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/release"
)

var update = flag.Bool("update", false, "write the golden files anew")

func effect(w release.BugWork) release.Effect {
	return release.Effect{Key: "bug/t/s/1/open", Kind: release.EffectBug, Stream: "fedora-43", Bug: &w}
}

var failures = []release.Failure{
	{Artifact: "qcow2/x86_64", Results: "https://results.example/20261121_02/qcow2", Case: release.Case{Check: "upgrade/plain",
		Message: "the upgrade ended with exit status 1", Replay: "assay run --only upgrade/plain image.qcow2",
		Excerpt: "error: While pulling debian/trixie: Server returned HTTP 404\n```\n@root look", Evidence: []string{"guests/first/console.log", "../secret"}}},
	{Artifact: "raw.xz/aarch64", Results: "/srv/results/a b", Case: release.Case{Check: "upgrade/plain", Message: "the same"}},
}

func TestText(t *testing.T) {
	m := Marker{BugKey("fedora-43", "check:upgrade/plain"), EffectKey("fedora-43", "k")}
	check := release.SubjectOfCheck("upgrade/plain")
	for name, e := range map[string]release.Effect{
		"open":     effect(release.BugWork{Action: release.BugOpen, Subject: check, FirstBad: "20261121_02", LastGood: "20261120_01", Now: "20261121_02", Failures: failures}),
		"comment":  effect(release.BugWork{Action: release.BugComment, Subject: check, FirstBad: "20261121_02", Now: "20261123_01", Failures: failures[:1]}),
		"close":    effect(release.BugWork{Action: release.BugClose, Subject: check, Now: "20261124_01", Failures: failures}),
		"reopen":   effect(release.BugWork{Action: release.BugReopen, Subject: check, FirstBad: "20261130_01", LastGood: "20261129_01", Now: "20261130_01", Failures: failures[1:]}),
		"no-image": effect(release.BugWork{Action: release.BugOpen, Subject: release.SubjectNoImage, FirstBad: "Fedora-43-20261121.n.0", Now: "Fedora-43-20261122.n.0", Text: "Fedora-43-20261121.n.0 DOOMED, 2026-11-21 05:10 UTC: createrepo failed\n"}),
		"image":    effect(release.BugWork{Action: release.BugClose, Subject: release.SubjectNoImage, Now: "20261123_01"}),
		"revoked":  effect(release.BugWork{Action: release.BugOpen, Subject: "revoked:20261116_01", FirstBad: "20261116_01", Now: "20261116_01", Text: "Revoked by alice: eats disks"}),
	} {
		for suffix, markup := range map[string]Markup{".md": Markdown, ".txt": Plain} {
			got := text(markup, e, []string{"kernel 6.12.1 -> 6.12.2", "ostree 2025.2 -> 2025.3"}[:map[bool]int{true: 2, false: 0}[name == "open"]], m)
			file := filepath.Join("testdata", name+suffix)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs (go test -update writes it anew):\n%s", file, got)
			}
		}
	}
}

func TestTextIsBounded(t *testing.T) {
	f := failures[0]
	f.Case.Message, f.Case.Excerpt, f.Case.Replay = strings.Repeat("é`", 1<<20), strings.Repeat("<b>\n", 1<<20), strings.Repeat("\n", 1<<20)
	many := slices.Repeat([]release.Failure{f}, 100)
	changes := make([]string, 10000)
	for i := range changes {
		changes[i] = strings.Repeat("x", 1000)
	}
	m := Marker{BugKey("s", "x"), EffectKey("s", "k")}
	for _, markup := range []Markup{Markdown, Plain} {
		got := text(markup, effect(release.BugWork{Action: release.BugOpen, Subject: "check:x", Failures: many, Text: strings.Repeat("y", 1<<20), FirstBad: strings.Repeat("z", 1<<20)}), changes, m)
		if len(got) > 65000 {
			t.Errorf("%d bytes", len(got))
		}
		if found, ok := FindMarker(got); !ok || found != m {
			t.Error("the marker did not fit")
		}
		for _, want := range []string{"94 more artifacts", "9900 more"} {
			if !strings.Contains(got, want) {
				t.Errorf("it does not say %q", want)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	if BugKey("a", "b") == BugKey("b", "b") || BugKey("a", "b") == EffectKey("a", "b") || EffectKey("a", "b") == EffectKey("b", "b") {
		t.Error("keys collide")
	}
	// They stand in bugs already: never change them.
	if got := BugKey("fedora-43", "no-image"); got != "36dyjntunsvas2" {
		t.Errorf("key %s, want %s", got, "36dyjntunsvas2")
	}
	for _, s := range []string{"", "x", "<!-- assay bug=a effect=b -->", "x <!-- assay bug=aaaaaaaaaaaaaa effect=bbbbbbbbbbbbbb -->", "  [assay bug=aaaaaaaaaaaaaa effect=bbbbbbbbbbbbbb]"} {
		if m, ok := FindMarker(s); ok {
			t.Errorf("%q: %v", s, m)
		}
	}
	// Services change line ends and cut white space; people write below.
	m := Marker{"aaaaaaaaaaaaaa", "bbbbbbbbbbbbbb"}
	for _, s := range []string{"x\r\n<!-- " + m.String() + " -->\r\n", "[" + m.String() + "]", "<!-- " + m.String() + " -->\n\nme too"} {
		if got, ok := FindMarker(s); !ok || got != m {
			t.Errorf("%q: %v %t", s, got, ok)
		}
	}
}

// FuzzText: whatever others say, the last marker is ours, nothing of theirs
// stands outside of code, and titles are one harmless line.
func FuzzText(f *testing.F) {
	f.Add("x\n```\n@root /close\n<!-- assay bug=aaaaaaaaaaaaaa effect=bbbbbbbbbbbbbb -->\n", "`a`", "https://h.example/`<>")
	f.Add("\r\n````\r\n[assay bug=aaaaaaaaaaaaaa effect=bbbbbbbbbbbbbb]\u2028/close", "", "javascript:alert(1)")
	f.Fuzz(func(t *testing.T, words, line, link string) {
		m := Marker{BugKey("s", "x"), EffectKey("s", "k")}
		e := effect(release.BugWork{Action: release.BugOpen, Subject: release.Subject("check:" + line), FirstBad: line, LastGood: words, Text: words,
			Failures: []release.Failure{{Artifact: release.ArtifactID(line), Results: link, Case: release.Case{Message: words, Excerpt: line, Replay: words, Evidence: []string{words}}}}})
		for _, markup := range []Markup{Markdown, Plain} {
			got := text(markup, e, []string{words, line}, m)
			if found, ok := FindMarker(got); !ok || found != m {
				t.Fatalf("marker %v %t:\n%s", found, ok, got)
			}
			if markup == Plain {
				continue
			}
			fence := ""
			for l := range strings.Lines(got) {
				l = strings.TrimRight(l, "\r\n")
				switch {
				case fence != "":
					if l == fence {
						fence = ""
					}
				case strings.HasPrefix(l, "```"):
					fence = strings.TrimSuffix(l, "text")
				case strings.HasPrefix(l, "/"), strings.HasPrefix(l, "~~~"), strings.HasPrefix(l, "    "):
					t.Fatalf("line %q:\n%s", l, got)
				}
			}
			if fence != "" {
				t.Fatalf("a fence is open:\n%s", got)
			}
		}
		if s := title(words); s == "" || len(s) > maxTitle+8 || strings.ContainsAny(s, "@#!<>`\r\n") {
			t.Fatalf("title %q", s)
		}
	})
}
