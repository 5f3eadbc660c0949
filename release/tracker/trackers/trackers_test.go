package trackers

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"assay/release"
	"assay/release/engine"
	"assay/release/releasetest"
	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func TestYAML(t *testing.T) {
	const text = `
type: bugzilla
url: https://bugzilla.example
project: Fedora
component: images
version: "43"
token_file: /run/secrets/bugzilla
ca_file: /etc/pki/our-ca.pem
timeout: 45s
labels: [Automation]
wont_fix: [WONTFIX, CANTFIX]
close_as: CLOSED/CURRENTRELEASE
reopen_as: NEW
bearer: true
`
	want := tracker.Config{Type: tracker.Bugzilla, URL: "https://bugzilla.example", Project: "Fedora", Component: "images", Version: "43",
		TokenFile: "/run/secrets/bugzilla", CAFile: "/etc/pki/our-ca.pem", Timeout: 45 * time.Second, Labels: []string{"Automation"},
		WontFix: []string{"WONTFIX", "CANTFIX"}, CloseAs: "CLOSED/CURRENTRELEASE", ReopenAs: "NEW", Bearer: true}
	var got tracker.Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.Validate() != nil {
		t.Errorf("got %+v, %v", got, got.Validate())
	}
}

func TestEveryTypeHasAnAdapter(t *testing.T) {
	for _, typ := range tracker.Types {
		c := tracker.Config{Type: typ, URL: "https://tracker.example", Project: "a/b", TokenEnv: "TOKEN"}
		if typ == tracker.Bugzilla {
			c.Component, c.Version = "c", "1"
		}
		if tr, err := New("x", c, tracker.Options{}); err != nil || tr == nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	if _, err := New("x", tracker.Config{}, tracker.Options{}); err == nil || !strings.Contains(err.Error(), "tracker x: ") {
		t.Errorf("no configuration: %v", err)
	}
}

// TestDownForADay: the whole stage with a tracker that loses requests, or their
// answers, for a day and a half. Releases go on, and then there is one bug.
func TestDownForADay(t *testing.T) {
	for typ, faults := range map[tracker.Type][]trackertest.Fault{
		tracker.Gitea:    {trackertest.AnswerLost, trackertest.Limited},
		tracker.Bugzilla: {trackertest.BadGateway},
	} {
		for _, fault := range faults {
			t.Run(string(typ)+", "+string(fault), func(t *testing.T) {
				t.Parallel()
				project := trackertest.StandIn(typ)(t)
				var down atomic.Bool
				var requests atomic.Int64
				line := trackertest.NewLine(t, project.Config().URL, func(int) trackertest.Fault {
					requests.Add(1)
					if down.Load() {
						return fault
					}
					return trackertest.Fine
				})
				c := project.Config()
				c.URL = line.URL()
				tr, err := New("tracker", c, tracker.Options{Grace: time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				h := releasetest.NewHistory(t, "test-1")
				config := engine.Config{Log: h.Log, Policies: []*release.Policy{h.Policy}, Now: func() time.Time { return h.Now }, Alone: true,
					Adapters: map[engine.Target]release.Performer{{Kind: release.EffectBug, Name: "tracker"}: tr,
						{Kind: release.EffectSign, Name: "key"}: &releasetest.Adapter{}, {Kind: release.EffectPublish, Name: "site"}: &releasetest.Adapter{},
						{Kind: release.EffectAnnounce, Name: "mail"}: &releasetest.Adapter{}}}
				// Every step is a process of its own.
				step := func() {
					e, err := engine.New(t.Context(), config)
					if err == nil {
						_, err = e.Step(t.Context())
					}
					if err == nil {
						err = h.State.CatchUp(context.Background(), h.Log)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				sees := func(want string) {
					t.Helper()
					var got []string
					for _, b := range project.Bugs(t) {
						state := "closed"
						if b.Open {
							state = "open"
						}
						got = append(got, state+strings.Repeat(" +", len(b.Comments)))
					}
					if strings.Join(got, ", ") != want {
						t.Fatalf("the tracker has %q, want %q", got, want)
					}
				}
				outage := func(hours int) {
					down.Store(true)
					before := requests.Load()
					for range hours {
						step()
						h.Add(time.Hour)
					}
					if n := requests.Load() - before; n < 5 || n > int64(hours)+5 {
						t.Errorf("%d requests in %d hours", n, hours)
					}
					down.Store(false)
					h.Add(time.Hour)
					step()
					step()
				}
				h.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
				outage(36)
				sees("open")
				h.Tested("20261104_01").Tested("20261105_01").At("2026-11-05T12:00:00Z")
				outage(36)
				if h.Out() != "20261104_01" {
					t.Errorf("out is %q: the tracker held up the release", h.Out())
				}
				sees("closed +")
				h.Add(24*time.Hour).Tested("20261108_01", releasetest.Failed("upgrade/plain"))
				outage(36)
				sees("open + +")
			})
		}
	}
}
