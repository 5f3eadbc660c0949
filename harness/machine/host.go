package machine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/digitalocean/go-libvirt"

	"assay/harness/accel"
)

// Config says which libvirt to use and where this run keeps its files.
type Config struct {
	// URI is libvirt's; "" is DefaultURI.
	URI string
	// RunID marks what this run owns: letters, digits, "-", "_", ".".
	RunID string
	// Dir is the run's scratch folder. It must exist. When the system daemon
	// runs QEMU as a user of its own, that user must be able to enter it.
	Dir string
	// Accel is what executes the guests' instructions.
	Accel accel.Kind
	// Log gets one line per change of state; nil drops them.
	Log *slog.Logger
}

// Host is one libvirt, used by one run. Its methods may be called at the same
// time.
type Host struct {
	cfg Config
	at  endpoint
	log *slog.Logger
	// ask is for questions about the host; guests have connections of their own.
	ask       session
	processor processor

	watch *watcher
	// source is what this libvirt is known to restore from.
	source atomic.Int32

	mu       sync.Mutex
	machines map[libvirt.UUID]*Machine
	names    map[string]bool
}

// maxNameLength keeps domain names within file names and socket paths.
const maxNameLength = 40

var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func checkName(what, s string) error {
	if len(s) > maxNameLength || !nameRule.MatchString(s) {
		return fmt.Errorf("cannot use %q as %s: want at most %d letters, digits, '-', '_' and '.'", s, what, maxNameLength)
	}
	return nil
}

// Connect opens libvirt and starts to listen to what happens to its domains. A
// daemon that does not answer is a *DaemonError.
func Connect(ctx context.Context, cfg Config) (*Host, error) {
	if err := checkName("a run id", cfg.RunID); err != nil {
		return nil, err
	}
	if st, err := os.Stat(cfg.Dir); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("cannot use %q as scratch folder: %w", cfg.Dir, errors.Join(err, os.ErrInvalid))
	}
	at, err := newEndpoint(cfg.URI, os.Getenv)
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg: cfg, at: at, log: cfg.Log,
		ask:      session{at: at},
		machines: map[libvirt.UUID]*Machine{},
		names:    map[string]bool{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.watch, err = startWatcher(ctx, at, h.ended, h.resync, h.log)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to libvirt: %w", err)
	}
	h.processor.kind = cfg.Accel
	if _, h.processor.qemu, err = h.versions(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close destroys the guests that are left, ends the connections and waits for
// every goroutine. It may be called more than once.
func (h *Host) Close() error {
	h.mu.Lock()
	left := make([]*Machine, 0, len(h.machines))
	for _, m := range h.machines {
		left = append(left, m)
	}
	h.mu.Unlock()
	errs := make([]error, len(left))
	var wg sync.WaitGroup
	for i, m := range left {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), destroyLimit)
			defer cancel()
			errs[i] = m.Destroy(ctx)
		})
	}
	wg.Wait()
	h.watch.close()
	h.ask.close()
	return errors.Join(errs...)
}

// Versions are libvirt's and QEMU's, as libvirt reports them.
func (h *Host) Versions(ctx context.Context) (libvirtVersion, qemu string, err error) {
	lv, qv, err := h.versions(ctx)
	if err != nil {
		return "", "", err
	}
	return dotted(lv), dotted(qv), nil
}

func (h *Host) versions(ctx context.Context) (libvirtVersion, qemu uint64, err error) {
	err = h.ask.call(ctx, "ConnectGetVersion", queryLimit, func(l *libvirt.Libvirt) (err error) {
		if libvirtVersion, err = l.ConnectGetLibVersion(); err != nil {
			return err
		}
		qemu, err = l.ConnectGetVersion()
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read the versions of libvirt and QEMU: %w", err)
	}
	return libvirtVersion, qemu, nil
}

// dotted undoes libvirt's major*1000000 + minor*1000 + release.
func dotted(v uint64) string {
	return fmt.Sprintf("%d.%d.%d", v/1000000, v/1000%1000, v%1000)
}

// newUUID is a random one (RFC 9562, version 4).
func newUUID() libvirt.UUID {
	var u libvirt.UUID
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func formatUUID(u libvirt.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// register makes events about m reach it. Names are unique within a run, as
// files and domains are named by them.
func (h *Host) register(m *Machine) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names[m.name] {
		return fmt.Errorf("cannot start a second guest named %q", m.name)
	}
	h.names[m.name] = true
	h.machines[m.id] = m
	return nil
}

func (h *Host) forget(m *Machine) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.machines, m.id)
	delete(h.names, m.name)
}

func (h *Host) machine(id libvirt.UUID) *Machine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machines[id]
}

// ended is told of every domain on the host that stopped.
func (h *Host) ended(id libvirt.UUID, detail libvirt.DomainEventStoppedDetailType) {
	if m := h.machine(id); m != nil {
		m.stopped(detail)
	}
}

// resync is told when events may have been missed.
func (h *Host) resync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.machines {
		m.doubt()
	}
}
