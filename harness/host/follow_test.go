package host

import (
	"errors"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

func TestFollow(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", guesttest.Containing("set-origin"), "follow", "assay", "http://192.0.2.1/repo", "os/next", "false")
	if err := Follow(t.Context(), g, "http://192.0.2.1/repo", "os/next", false); err != nil {
		t.Fatal(err)
	}
	g.On("sh", "-c", guesttest.Containing("insecure"), "follow", "192.0.2.1:5000")
	if err := TrustRegistry(t.Context(), g, "192.0.2.1:5000"); err != nil {
		t.Fatal(err)
	}
	g.On("sh", "-c", guesttest.Containing("prefix"), "follow", "quay.example/os", "192.0.2.1:5001/assay/os").Exits(1)
	var ce *guest.CommandError
	if err := FollowImage(t.Context(), g, "quay.example/os", "192.0.2.1:5001/assay/os"); !errors.As(err, &ce) {
		t.Errorf("a script that fails: %v", err)
	}
	g.AssertAllUsed()
}

func TestFollowRefusesNonsense(t *testing.T) {
	g := guesttest.New(t) // knows no command: none may be run
	for _, ref := range []string{"", "--help", "a b", "x;y"} {
		if Follow(t.Context(), g, "http://192.0.2.1/repo", ref, true) == nil {
			t.Errorf("ref %q was taken", ref)
		}
	}
	if TrustRegistry(t.Context(), g, "x\"\n[[registry]]") == nil || FollowImage(t.Context(), g, "", "y") == nil ||
		FollowImage(t.Context(), g, "x\"", "y") == nil {
		t.Error("names that break out of the file were taken")
	}
}
