package history

import (
	"testing"
	"time"

	"assay/release"

	"github.com/nats-io/nats-server/v2/server"
)

// TestServerByURL is the same history on a server that is not ours, with two
// processes' worth of clients.
func TestServerByURL(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	one, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: s.ClientURL(), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if err := one.Begin(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	// The second machine sees the history for the first time.
	two, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: s.ClientURL(), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	for i, h := range []*History{one, two, one, two} {
		st := release.NewState()
		if err := st.Update(t.Context(), h, func(*release.State) ([]release.Event, error) {
			return []release.Event{block(string(rune('a' + i)))}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range []*History{one, two} {
		if r := verify(t, h); r.Events != 5 || len(r.Findings) != 0 {
			t.Errorf("report: %+v", r)
		}
	}
}
