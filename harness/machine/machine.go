package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/digitalocean/go-libvirt"

	"assay/harness/network"
)

// Machine is one guest, from before its first instruction to after its last.
// Its methods may be called at the same time.
type Machine struct {
	host    *Host
	name    string
	id      libvirt.UUID
	net     *network.Network
	serial  *serialPort
	libvirt session
	// nvram is the UEFI variable store, "" for a BIOS guest. It is removed when
	// the guest ends, unless Save takes it over.
	nvram     string
	keepNVRAM atomic.Bool

	// events holds the first stop event; more would not tell more.
	events chan libvirt.DomainEventStoppedDetailType
	// doubts asks the watching goroutine to look whether the domain is there.
	doubts chan struct{}
	// destroying is closed by the first Destroy.
	destroying  chan struct{}
	destroyOnce sync.Once

	// gone is closed when the guest ended, released once its connections and
	// goroutines did, too.
	gone, released chan struct{}
	end            End
}

// domain is how libvirt is told which one.
func (m *Machine) domain() libvirt.Domain {
	return libvirt.Domain{Name: m.domainName(), UUID: m.id, ID: -1}
}

func (m *Machine) domainName() string { return namePrefix + m.host.cfg.RunID + "-" + m.name }

// Name is the guest's name within the run.
func (m *Machine) Name() string { return m.name }

// UUID is the domain's, in the usual form.
func (m *Machine) UUID() string { return formatUUID(m.id) }

// Network is the guest's own. It is closed when the guest ends.
func (m *Machine) Network() *network.Network { return m.net }

// newMachine makes everything a guest connects to. Until its domain exists the
// caller must call abandon on failure.
func (h *Host) newMachine(name string, console io.Writer, listen func(*network.Network) error) (m *Machine, w wiring, err error) {
	m = &Machine{
		host: h, name: name, id: newUUID(),
		libvirt:    session{at: h.at},
		events:     make(chan libvirt.DomainEventStoppedDetailType, 1),
		doubts:     make(chan struct{}, 1),
		destroying: make(chan struct{}),
		gone:       make(chan struct{}),
		released:   make(chan struct{}),
	}
	if err := h.register(m); err != nil {
		return nil, wiring{}, err
	}
	defer func() {
		if err != nil {
			m.release()
			m = nil
		}
	}()
	if m.net, err = network.New(network.Config{}); err != nil {
		return m, wiring{}, err
	}
	if listen != nil {
		if err := listen(m.net); err != nil {
			return m, wiring{}, fmt.Errorf("cannot start the services of guest %s: %w", name, err)
		}
	}
	addr, err := m.net.Attach()
	if err != nil {
		return m, wiring{}, err
	}
	_, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return m, wiring{}, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return m, wiring{}, err
	}
	if m.serial, err = listenSerial(h.cfg.Dir, name+".serial", console); err != nil {
		return m, wiring{}, err
	}
	return m, wiring{
		name: m.domainName(), uuid: m.UUID(), runID: h.cfg.RunID, guest: name,
		nvram: filepath.Join(h.cfg.Dir, name+".nvram"), serial: m.serial.path, port: uint(port),
	}, nil
}

// release ends what belongs to the guest on our side.
func (m *Machine) release() {
	if m.serial != nil {
		m.serial.close()
	}
	if m.net != nil {
		m.net.Close()
	}
	m.libvirt.close()
	if m.nvram != "" && !m.keepNVRAM.Load() {
		if err := removeIfThere(m.nvram); err != nil {
			m.host.log.Warn("cannot remove the UEFI variables of an ended guest", "guest", m.name, "error", err)
		}
	}
	m.host.forget(m)
	close(m.released)
}

// abandon undoes a start that failed: the domain may be there or not.
func (m *Machine) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyLimit)
	defer cancel()
	err := m.destroyDomain(ctx)
	m.release()
	return err
}

// destroyDomain asks libvirt; a domain that is not there is as good.
func (m *Machine) destroyDomain(ctx context.Context) error {
	err := m.libvirt.call(ctx, "DomainDestroy", destroyLimit, func(l *libvirt.Libvirt) error {
		return l.DomainDestroy(m.domain())
	})
	if isNoDomain(err) {
		return nil
	}
	return err
}

// Reset is the reset button: no guest program is asked. Connections to the
// guest are lost; serial port and network stay.
func (m *Machine) Reset(ctx context.Context) error {
	return m.do(ctx, "reset", "DomainReset", func(l *libvirt.Libvirt) error {
		return l.DomainReset(m.domain(), 0)
	})
}

// PowerButton presses the ACPI power button; the guest may do as it likes.
func (m *Machine) PowerButton(ctx context.Context) error {
	return m.do(ctx, "press the power button of", "DomainShutdown", func(l *libvirt.Libvirt) error {
		return l.DomainShutdownFlags(m.domain(), libvirt.DomainShutdownAcpiPowerBtn)
	})
}

// CPUTime is how much processor time of the host the guest has used; ErrPaused
// when it does not run.
func (m *Machine) CPUTime(ctx context.Context) (t time.Duration, err error) {
	err = m.do(ctx, "read the processor time of", "DomainGetInfo", func(l *libvirt.Libvirt) error {
		state, _, _, _, ns, err := l.DomainGetInfo(m.domain())
		t = time.Duration(ns)
		if err == nil && libvirt.DomainState(state) == libvirt.DomainPaused {
			err = ErrPaused
		}
		return err
	})
	return t, err
}

// ErrPaused means that QEMU stopped the guest's processors by itself, as it
// does when the host cannot read or write a disk's file: its disk is full, or gives errors.
var ErrPaused = errors.New("QEMU has paused the guest; is the host's disk full or broken?")

// ErrGone means the guest has ended.
var ErrGone = errors.New("the guest has ended")

func (m *Machine) do(ctx context.Context, verb, call string, f func(*libvirt.Libvirt) error) error {
	if m.isGone() {
		return fmt.Errorf("cannot %s guest %s: %w (%s)", verb, m.name, ErrGone, m.end)
	}
	err := m.libvirt.call(ctx, call, queryLimit, f)
	if isNoDomain(err) || errors.Is(err, errSessionClosed) {
		m.doubt()
		err = ErrGone
	}
	if err != nil {
		return fmt.Errorf("cannot %s guest %s: %w", verb, m.name, err)
	}
	return nil
}

// Destroy ends the guest at once and waits until everything of it is released.
// A guest that has ended already is no error; any number of calls is fine.
func (m *Machine) Destroy(ctx context.Context) error {
	m.destroyOnce.Do(func() { close(m.destroying) })
	if !m.isGone() {
		if err := m.destroyDomain(ctx); err != nil && !m.isGone() {
			return fmt.Errorf("cannot destroy guest %s: %w", m.name, err)
		}
		m.doubt()
	}
	select {
	case <-m.released:
	case <-ctx.Done():
		return fmt.Errorf("cannot destroy guest %s: %w", m.name, ctx.Err())
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
