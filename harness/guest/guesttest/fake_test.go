package guesttest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"assay/harness/guest"
)

// quiet is a testing.TB that remembers its errors instead of failing.
type quiet struct {
	testing.TB
	errs []string
}

func (q *quiet) Helper()                   {}
func (q *quiet) Error(args ...any)         { q.errs = append(q.errs, args[0].(string)) }
func (q *quiet) Errorf(f string, a ...any) { q.errs = append(q.errs, f) }

func TestFakeAnswersNewestPlanFirst(t *testing.T) {
	ctx := context.Background()
	g := New(t)
	g.On("systemctl", "is-active", Any).Prints("active\n")
	g.On("systemctl", Rest).Exits(3).Times(1)
	g.On("sh", "-c", Containing("uname")).Prints("a").Then().Prints("b")
	for i, want := range []int{3, 0, 0} {
		r, err := guest.Ask(ctx, g, "systemctl", "is-active", "sshd.service")
		if err != nil || r.Exit != want {
			t.Errorf("call %d: exit %d, %v; want %d", i, r.Exit, err, want)
		}
	}
	var got string
	for range 3 {
		s, _ := guest.Output(ctx, g, "sh", "-c", "uname -r")
		got += s
	}
	if got != "abb" {
		t.Errorf("answers in order %q; want abb", got)
	}
	g.AssertAllUsed()
}

func TestFakePanicsOnUnplannedCall(t *testing.T) {
	q := &quiet{TB: t}
	g := New(q)
	g.On("true").As("core")
	for name, call := range map[string]func(){
		"command": func() { _, _ = guest.Ask(context.Background(), g, "true") },
		"file":    func() { _, _ = g.ReadFile(context.Background(), "/etc/x", 1) },
		"write":   func() { _ = g.WriteFile(context.Background(), "/etc/x", strings.NewReader(""), 0) },
		"journal": func() { _, _ = g.Journal(context.Background(), guest.JournalQuery{}) },
		"dial":    func() { _, _ = g.Dial(context.Background(), 1) },
		"reboot":  func() { _ = g.Reboot(context.Background()) },
	} {
		before := len(q.errs)
		func() {
			defer func() {
				if recover() == nil || len(q.errs) != before+1 {
					t.Errorf("an unplanned %s neither panicked nor failed the test", name)
				}
			}()
			call()
		}()
	}
	g.AssertAllUsed()
	if !strings.Contains(q.errs[len(q.errs)-1], "nobody ran") {
		t.Error("a plan that was not used went unseen")
	}
}

func TestFakeFilesJournalReboot(t *testing.T) {
	ctx := context.Background()
	g := New(t)
	g.HasFile("/etc/a", "text")
	g.LacksFile("/etc/b")
	g.TakesFile("/etc/*")
	if _, err := g.ReadFile(ctx, "/etc/b", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	var large *guest.TooLargeError
	if _, err := g.ReadFile(ctx, "/etc/a", 3); !errors.As(err, &large) {
		t.Errorf("large file: %v", err)
	}
	if err := g.WriteFile(ctx, "/etc/b", strings.NewReader("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := g.ReadFile(ctx, "/etc/b", 10); err != nil || string(b) != "new" {
		t.Errorf("read back %q, %v", b, err)
	}
	g.Logs(guest.Entry{Unit: "a.service", Priority: 3, Message: "One failed"},
		guest.Entry{Unit: "b.service", Priority: 6, Message: "fine"})
	for q, want := range map[guest.JournalQuery]int{
		{}: 2, {Unit: "a.service"}: 1, {MaxPriority: "3"}: 1, {Grep: "FINE"}: 0, {Grep: "one"}: 1, {Limit: 1}: 1, {Transport: "kernel"}: 0,
	} {
		if e, err := g.Journal(ctx, q); err != nil || len(e) != want {
			t.Errorf("journal %+v: %d entries, %v; want %d", q, len(e), err, want)
		}
	}
	before := g.BootID()
	g.OnReboot(nil)
	if err := g.Reboot(ctx); err != nil || g.BootID() == before {
		t.Errorf("after a reboot the boot id is %s, before %s, %v", g.BootID(), before, err)
	}
}
