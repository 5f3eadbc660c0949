package guest_test

import (
	"context"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

func TestSSHConforms(t *testing.T) {
	srv := guesttest.NewServer(t)
	g := await(t, srv.Config())
	guesttest.Conformance(t, func(testing.TB) guest.Guest { return g })
}

// await gives a guest that is closed with the test.
func await(t *testing.T, cfg guest.SSHConfig) *guest.SSH {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	g, _, err := guest.Await(ctx, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}
