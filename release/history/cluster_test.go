package history

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"assay/release"

	"github.com/nats-io/nats-server/v2/server"
)

// TestServerByURL is the same history on a server that is not ours, with two
// processes' worth of clients.
func TestServerByURL(t *testing.T) {
	url := cluster(t)
	one, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: url, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if err := one.Begin(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	// The second machine sees the history for the first time.
	two, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: url, Replicas: 1})
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

// TestHalfImportInACluster is seen from every folder, and ends when any of them
// has imported all.
func TestHalfImportInACluster(t *testing.T) {
	lines := exported(t, 5)
	url := cluster(t)
	a, b := Options{Dir: t.TempDir(), URL: url, Replicas: 1}, Options{Dir: t.TempDir(), URL: url, Replicas: 1}
	if n, err := Import(t.Context(), a, bytes.NewReader(bytes.Join(lines[:3], nil))); err == nil || n != 3 {
		t.Fatalf("%d events, %v", n, err)
	}
	for _, o := range []Options{a, b} {
		if _, err := Open(t.Context(), o); !errors.Is(err, ErrHalfImport) {
			t.Errorf("it opens: %v", err)
		}
	}
	if n, err := Import(t.Context(), b, bytes.NewReader(bytes.Join(lines, nil))); err != nil || n != 5 {
		t.Fatalf("%d events, %v", n, err)
	}
	for _, o := range []Options{a, b} {
		h, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r := verify(t, h); r.Events != 5 || len(r.Findings) > 0 {
			t.Errorf("report: %+v", r)
		}
		h.Close()
	}
}

// cluster is a server that is not ours.
func cluster(t *testing.T) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s.ClientURL()
}
