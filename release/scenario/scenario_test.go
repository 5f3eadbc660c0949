package scenario

import (
	"context"
	"os"
	"testing"
	"time"

	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

// project is a real Gitea's where servers may be started, else a stand-in's that
// answers as Gitea did when it was recorded.
func project(t *testing.T) (trackertest.Project, time.Duration) {
	if os.Getenv("ASSAY_SERVER_TESTS") != "" {
		return trackertest.Gitea(t)(t), time.Second
	}
	return trackertest.StandIn(tracker.Gitea)(t), time.Millisecond
}

// TestTenWeeks lives through the table, and looks at each evening.
func TestTenWeeks(t *testing.T) {
	p, grace := project(t)
	w := NewWorld(t, t.TempDir(), p)
	began := time.Now()
	err := Run(t.Context(), Options{Dir: w.Dir, Grace: grace, Tell: t.Logf,
		Morning: func(_ context.Context, d Day) error { w.Morning(d); return nil },
		Evening: func(ctx context.Context, d Day, a Account) error {
			s, err := w.Evening(ctx, d, a)
			t.Logf("%s %s: %s; %s, %s; bugs: %s; mails: %s; %s | %s", d.Is, d.Date().Format("2 Jan"), d.Night.About, s.Main.Build, s.Stable.Build, s.Bugs, s.Mails, a.Main, a.Stable)
			if err != nil {
				t.Errorf("%s: %v", d.Is, err)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v in %s", w.Counts, time.Since(began))
}
