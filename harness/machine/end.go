package machine

import (
	"context"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// EndKind is how a guest ended.
type EndKind string

// The ways a guest ends.
const (
	EndShutdown  EndKind = "shutdown"  // it powered itself off
	EndCrashed   EndKind = "crashed"   // it told its panic device of a panic
	EndDestroyed EndKind = "destroyed" // by Destroy, or by somebody else through libvirt
	EndSaved     EndKind = "saved"     // by Save
	EndFailed    EndKind = "failed"    // the emulator died: not the guest's doing
)

// End is how a guest ended; Detail is for the reader.
type End struct {
	Kind   EndKind
	Detail string
}

func (e End) String() string {
	if e.Detail == "" {
		return string(e.Kind)
	}
	return string(e.Kind) + ": " + e.Detail
}

// Gone is closed when the guest has ended; End then says how.
func (m *Machine) Gone() <-chan struct{} { return m.gone }

// End is how the guest ended; the zero End while it runs.
func (m *Machine) End() End {
	select {
	case <-m.gone:
		return m.end
	default:
		return End{}
	}
}

// stopped is told of the guest's stop event. It never blocks.
func (m *Machine) stopped(detail libvirt.DomainEventStoppedDetailType) {
	select {
	case m.events <- detail:
	default:
	}
}

// doubt makes the watching goroutine look whether the domain is still there.
func (m *Machine) doubt() {
	select {
	case m.doubts <- struct{}{}:
	default:
	}
}

const (
	// eventGrace is how long a stop event may come after QEMU hung up, and how
	// long the serial port's last bytes may come after a stop event.
	eventGrace = 3 * time.Second
	// doubtPause is between two looks for a domain that should have gone.
	doubtPause = 500 * time.Millisecond
)

// watch waits for the guest's end, records it and releases what it held. It
// runs from the domain's creation on.
func (m *Machine) watch() {
	m.end = m.awaitEnd()
	close(m.gone)
	m.host.log.Info("guest ended", "guest", m.name, "how", m.end.String())
	// QEMU's last words are still in the socket.
	select {
	case <-m.serial.eof:
	case <-time.After(eventGrace):
	}
	m.release()
}

func (m *Machine) awaitEnd() End {
	eof := m.serial.eof
	for {
		select {
		case detail := <-m.events:
			return m.endOf(detail)
		case <-m.doubts:
		case <-eof:
			eof = nil
		}
		// Something hints at an end; an event should tell of it any moment.
		select {
		case detail := <-m.events:
			return m.endOf(detail)
		case <-time.After(eventGrace):
		}
		ctx, cancel := context.WithTimeout(context.Background(), queryLimit)
		err := m.libvirt.call(ctx, "DomainLookupByUUID", queryLimit, func(l *libvirt.Libvirt) error {
			_, err := l.DomainLookupByUUID(m.id)
			return err
		})
		cancel()
		switch {
		case isNoDomain(err):
			return m.endUnseen()
		case err != nil || eof == nil:
			// Still there without a serial port, or libvirt does not say.
			time.AfterFunc(doubtPause, m.doubt)
		}
	}
}

func (m *Machine) endOf(detail libvirt.DomainEventStoppedDetailType) End {
	switch detail {
	case libvirt.DomainEventStoppedShutdown:
		return End{Kind: EndShutdown}
	case libvirt.DomainEventStoppedCrashed:
		return End{Kind: EndCrashed, Detail: "the guest reported a panic"}
	case libvirt.DomainEventStoppedSaved:
		return End{Kind: EndSaved}
	case libvirt.DomainEventStoppedDestroyed:
		if !m.isDestroying() {
			return End{Kind: EndDestroyed, Detail: "by somebody else, or because the connection to libvirt was lost"}
		}
		return End{Kind: EndDestroyed}
	case libvirt.DomainEventStoppedFailed:
		return End{Kind: EndFailed, Detail: m.withLastWords("the emulator died")}
	}
	return End{Kind: EndFailed, Detail: "libvirt's reason " + detail.String()}
}

// endUnseen is the end of a domain whose stop event was missed.
func (m *Machine) endUnseen() End {
	if m.isDestroying() {
		return End{Kind: EndDestroyed}
	}
	return End{Kind: EndFailed, Detail: m.withLastWords("the guest is gone and libvirt did not say why")}
}

func (m *Machine) isDestroying() bool {
	select {
	case <-m.destroying:
		return true
	default:
		return false
	}
}

func (m *Machine) isGone() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}
