package tracker

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"assay/release"
)

// late is a service in which what was asked for is seen after a while.
type late struct {
	Service // panics on what nobody planned
	seen    time.Time
	issue   Issue
	filed   int
}

func (l *late) Markup() Markup                                { return Plain }
func (l *late) Account(context.Context) (string, error)       { return "bot", nil }
func (l *late) Issue(context.Context, string) (*Issue, error) { return &l.issue, nil }
func (l *late) Find(context.Context, string, Key) (*Issue, error) {
	if time.Now().Before(l.seen) {
		return nil, nil
	}
	return &l.issue, nil
}
func (l *late) Create(context.Context, Draft) (*Issue, error) {
	l.filed++
	return &Issue{Ref: "2", Open: true}, nil
}

func TestRequestOnItsWay(t *testing.T) {
	e := effect(release.BugWork{Action: release.BugOpen, Subject: "check:x"})
	l := &late{seen: time.Now().Add(50 * time.Millisecond)}
	l.issue = Issue{Ref: "1", Open: true, Body: "[" + Marker{BugKey(e.Stream, e.Bug.Subject), EffectKey(e.Stream, e.Key)}.String() + "]"}
	e.Unsure = true
	r, err := New("t", l, Options{Grace: 100 * time.Millisecond}).Do(t.Context(), e)
	if err != nil || r.Ref != "1" || l.filed != 0 {
		t.Errorf("receipt %+v, %v, filed %d", r, err, l.filed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New("t", l, Options{}).Do(ctx, e); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNonsense(t *testing.T) {
	tr := New("t", &late{}, Options{})
	for _, e := range []release.Effect{{Kind: release.EffectSign}, effect(release.BugWork{Action: "burn", Ref: "1"})} {
		if _, err := tr.Do(t.Context(), e); !errors.Is(err, release.ErrPermanent) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestPackagesThatCannotBeRead(t *testing.T) {
	e := effect(release.BugWork{Action: release.BugOpen, Subject: "check:x", PackagesGood: 3, PackagesBad: 9})
	l := &late{seen: time.Now().Add(time.Hour)}
	fail := errors.New("the history is closed")
	o := Options{Changes: func(_ context.Context, good, bad uint64) ([]string, error) {
		if good != 3 || bad != 9 {
			t.Errorf("between %d and %d", good, bad)
		}
		return nil, fail
	}}
	if _, err := New("t", l, o).Do(t.Context(), e); !errors.Is(err, fail) || l.filed != 0 {
		t.Errorf("%v, filed %d", err, l.filed)
	}
}

func TestPagesEnd(t *testing.T) {
	collect := func(s iter.Seq2[int, error]) (n int, err error) {
		for _, err = range s {
			n++
		}
		return n, err
	}
	if n, err := collect(Pages(func(n int) ([]int, error) { return make([]int, max(0, 3-n)), nil })); n != 3 || err != nil {
		t.Errorf("%d items, %v", n, err)
	}
	if _, err := collect(Pages(func(int) ([]int, error) { return []int{1}, nil })); !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "project of its own") {
		t.Errorf("endless pages: %v", err)
	}
}

func TestOthersFileUnderOurKey(t *testing.T) {
	m := Marker{BugKey("s", "x"), EffectKey("s", "k")}
	issues := func(yield func(*Issue, error) bool) {
		for _, author := range []string{"mallory", "bot", "bot"} {
			if !yield(&Issue{Ref: author, Author: author, Body: "[" + m.String() + "]"}, nil) {
				return
			}
		}
	}
	if is, err := FindIn(issues, "bot", m.Bug); err != nil || is == nil || is.Author != "bot" {
		t.Errorf("%+v, %v", is, err)
	}
	if is, err := FindIn(issues, "bot", BugKey("s", "y")); err != nil || is != nil {
		t.Errorf("%+v, %v", is, err)
	}
}
