package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"assay/artifact"
	"assay/fixtures/containers"
	"assay/fixtures/registry"
	"assay/fixtures/treeimage"
	"assay/harness/network"
	"assay/harness/trees"
	"assay/suites/check"
)

// Ports on the gateway of every guest's network.
const (
	registryPort = 5000
	privatePort  = 5443
	updatesPort  = 8000
	packagesPort = 8001
	imagesPort   = 5001
)

// services are what the harness offers to guests: one handler each, served on
// every guest's own network.
type services struct {
	registry check.Registry
	private  *check.PrivateRegistry
	packages *check.Packages
	images   servedImages
	lacks    lacks
	handlers map[int]http.Handler
	secure   map[int]tls.Certificate // of the handlers that speak TLS
	log      *slog.Logger

	mu      sync.Mutex
	servers []*http.Server
	wg      sync.WaitGroup
}

// newServices fills the registries and the package repository. treeRepo is the
// folder of the ostree repository that is served; it may be made later.
// images is an OCI layout of the tree's versions, empty for none.
func newServices(treeRepo, images string, log *slog.Logger) (*services, error) {
	small, err := containers.All()
	if errors.Is(err, containers.ErrNoBusybox) {
		log.Warn("no container images are served, and checks that need them are skipped", "err", err)
		small = nil
	} else if err != nil {
		return nil, fmt.Errorf("cannot make the container images for the guests: %w", err)
	}
	handler, err := registry.New(small...)
	if err != nil {
		return nil, fmt.Errorf("cannot fill the registry for the guests: %w", err)
	}
	private, err := registry.NewPrivate(handler, net.ParseIP(network.GatewayIP))
	if err != nil {
		return nil, err
	}
	rpms, err := newPackages()
	if err != nil {
		return nil, fmt.Errorf("cannot make the packages for the guests: %w", err)
	}
	s := &services{log: log, packages: rpms.env, secure: map[int]tls.Certificate{privatePort: private.Certificate},
		handlers: map[int]http.Handler{registryPort: handler, privatePort: private.Handler, packagesPort: rpms}}
	s.handlers[updatesPort], s.handlers[imagesPort] = trees.Handler(treeRepo), &s.images
	if images != "" {
		if err := s.images.serve(images); err != nil {
			return nil, err
		}
	}
	if len(small) > 0 {
		s.registry = check.Registry{Addr: atGateway(registryPort), Images: map[string]string{}}
		s.private = &check.PrivateRegistry{CA: string(private.CA), User: private.User, Password: private.Password,
			Registry: check.Registry{Addr: atGateway(privatePort), Images: s.registry.Images}}
	}
	for _, i := range small {
		s.registry.Images[i.Purpose] = i.Ref
	}
	return s, nil
}

// atGateway is a service's host and port as guests reach it.
func atGateway(port int) string { return net.JoinHostPort(network.GatewayIP, strconv.Itoa(port)) }

// address fills in where the trees are found by a guest of that architecture.
func (s *services) address(t *check.Trees, arch artifact.Arch) error {
	base := "http://" + atGateway(updatesPort)
	t.URL, t.Slow, t.Cut = base+"/repo", base+"/slow/", base+"/cut/"
	ti := s.images.images.Load()
	if ti == nil {
		return nil
	}
	images, err := treeimage.Images(ti.layout, goArch(arch))
	if err == nil {
		ti.name(t, images)
	}
	return err
}

// lacking says of services what it means that they lack a path.
var lacking = map[int]func(path string) string{updatesPort: lacksObject, imagesPort: lacksLayer}

// listen returns what starts every service on a guest's network. They end with the network.
func (s *services) listen(guest string) func(n *network.Network) error {
	return func(n *network.Network) error { return s.listenOn(n, guest) }
}

func (s *services) listenOn(n *network.Network, guest string) error {
	for port, h := range s.handlers {
		if of := lacking[port]; of != nil {
			h = s.lacks.watch(guest, h, of)
		}
		ln, err := n.Listen(port)
		if err != nil {
			return fmt.Errorf("cannot serve port %d to the guest: %w", port, err)
		}
		if c, ok := s.secure[port]; ok {
			ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{c}})
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
