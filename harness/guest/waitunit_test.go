package guest_test

import (
	"errors"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

func unitState(active, sub string) string {
	return "Id=a.service\nLoadState=loaded\nActiveState=" + active + "\nSubState=" + sub + "\n"
}

func TestWaitUnit(t *testing.T) {
	t.Parallel()
	show := []string{"systemctl", "show", "--all", "--no-pager", guesttest.Containing("--property=Id,"), "--", "a.service"}
	g := guesttest.New(t)
	g.On(show...).Prints(unitState("activating", "start")).Then().Prints(unitState("active", "running"))
	if u, err := guest.WaitUnit(t.Context(), g, "a.service", "active", 0); err != nil || u.Sub != "running" {
		t.Errorf("got %+v, %v", u, err)
	}
	g.On(show...).Prints(unitState("failed", "failed"))
	var se *guest.UnitStateError
	if _, err := guest.WaitUnit(t.Context(), g, "a.service", "active", 0); !errors.As(err, &se) {
		t.Errorf("failed unit: %v", err)
	}
	if _, err := guest.WaitUnit(t.Context(), g, "a.service", "failed", 0); err != nil {
		t.Errorf("unit that was to fail: %v", err)
	}
	g.On(show...)
	if _, err := guest.WaitUnit(t.Context(), g, "a.service", "active", 0); !errors.As(err, &se) || se.Unit.Load != "not-found" {
		t.Errorf("unit that is not there: %v", err)
	}
	g.On(show...).Prints(unitState("activating", "auto-restart"))
	var te *guest.TimeoutError
	if _, err := guest.WaitUnit(t.Context(), g, "a.service", "active", 10*time.Millisecond); !errors.As(err, &te) || te.Last != "activating (auto-restart)" {
		t.Errorf("unit that never comes up: %v", err)
	}
}
