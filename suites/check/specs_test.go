package check

import (
	"context"
	"testing"

	"assay/harness/guest/guesttest"
)

// TestRebootsAreTold runs the part before the specs: Ginkgo itself runs once a process.
func TestRebootsAreTold(t *testing.T) {
	g := guesttest.New(t)
	g.OnReboot(nil)
	g.OnPowerCut(nil)
	var told []RebootPhase
	tg := &tellingGuest{g, func(e Event) { told = append(told, e.Reboot) }}
	c := &running{Registered: Registered{Check: Check{Name: "a", State: Rebooted,
		Prepare: func(context.Context, *T) (any, error) { return nil, nil }}}}
	c.t = &T{Guest: tg, Log: c.log}
	reboot(t.Context(), tg, []*running{c})
	if err := c.t.PowerCut(t.Context()); err != nil || c.t.RebootErr != nil {
		t.Fatal(err, c.t.RebootErr)
	}
	want := []RebootPhase{RebootBegins, RebootEnds, RebootBegins, RebootEnds}
	if len(told) != len(want) || told[0] != want[0] || told[1] != want[1] || told[2] != want[2] || told[3] != want[3] {
		t.Errorf("told %v, want %v", told, want)
	}
	// What checks hold must serve as a map's key.
	if known := map[any]bool{c.t.Guest: true}; !known[c.t.Guest] {
		t.Error("the guest is not its own key")
	}
}
