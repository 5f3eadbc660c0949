package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"assay/fixtures/containers"
	"assay/fixtures/registry"
	"assay/harness/network"
	"assay/suites/check"
)

// Ports on the gateway of every guest's network.
const (
	registryPort = 5000
	updatesPort  = 8000
)

// services are what the harness offers to guests: one handler each, served on
// every guest's own network.
type services struct {
	registry check.Registry
	handlers map[int]http.Handler
	log      *slog.Logger

	mu      sync.Mutex
	servers []*http.Server
	wg      sync.WaitGroup
}

// newServices fills the registry. updateRepo is served too when set.
func newServices(updateRepo string, log *slog.Logger) (*services, error) {
	images, err := containers.All()
	if errors.Is(err, containers.ErrNoBusybox) {
		log.Warn("no container images are served, and checks that need them are skipped", "err", err)
		images = nil
	} else if err != nil {
		return nil, fmt.Errorf("cannot make the container images for the guests: %w", err)
	}
	handler, err := registry.New(images...)
	if err != nil {
		return nil, fmt.Errorf("cannot fill the registry for the guests: %w", err)
	}
	s := &services{log: log, handlers: map[int]http.Handler{registryPort: handler}}
	if len(images) > 0 {
		s.registry = check.Registry{Addr: net.JoinHostPort(network.GatewayIP, strconv.Itoa(registryPort)), Images: map[string]string{}}
	}
	for _, i := range images {
		s.registry.Images[i.Purpose] = i.Ref
	}
	if updateRepo != "" {
		// Read-only by nature: a file server answers GET and HEAD.
		s.handlers[updatesPort] = http.FileServer(http.Dir(updateRepo))
	}
	return s, nil
}

// updatesURL is where guests find the update repository.
func (s *services) updatesURL() string {
	return "http://" + net.JoinHostPort(network.GatewayIP, strconv.Itoa(updatesPort))
}

// listen starts every service on a guest's network. They end with the network.
func (s *services) listen(n *network.Network) error {
	for port, h := range s.handlers {
		ln, err := n.Listen(port)
		if err != nil {
			return fmt.Errorf("cannot serve port %d to the guest: %w", port, err)
		}
		srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute,
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
		s.mu.Lock()
		s.servers = append(s.servers, srv)
		s.mu.Unlock()
		s.wg.Go(func() {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				s.log.Debug("a guest's service ended", "port", port, "err", err)
			}
		})
	}
	return nil
}

// close ends every server and waits for them.
func (s *services) close(ctx context.Context) {
	s.mu.Lock()
	for _, srv := range s.servers {
		_ = srv.Close()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
