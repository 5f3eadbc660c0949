package capacity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits is what the guests of a host may use together.
type Limits struct {
	MemoryMiB int `json:"memory_mib"`
	// CPUs counts the guests' virtual CPUs. HostLimits allows more than the host has.
	CPUs    int `json:"cpus"`
	DiskMiB int `json:"disk_mib"`
}

// Need is what one guest may use at most.
type Need struct {
	MemoryMiB int `json:"memory_mib"`
	CPUs      int `json:"cpus"`
	DiskMiB   int `json:"disk_mib"`
}

func (n Need) String() string {
	return fmt.Sprintf("%d MiB of memory, %d CPUs and %d MiB of disk", n.MemoryMiB, n.CPUs, n.DiskMiB)
}

// ErrTooLarge is in the error of Acquire when the host could not hold the guest even if it
// were the only one.
var ErrTooLarge = errors.New("the host is too small")

// recheck is how long a waiter trusts that it is woken. Events are the rule; this covers
// file systems without them, and a lock that is let go a moment after its event.
const (
	recheck      = time.Second
	recheckFirst = 30 * time.Millisecond
)

// Ledger is one process's hold on the host's ledger. Its methods may be called
// from several goroutines.
type Ledger struct {
	dir    string
	host   Limits
	events *events

	mu sync.Mutex // orders this process's own looks at the ledger
}

// Open joins the ledger in dir, making it if need be. host is what this
// process thinks the guests may use; while others hold leases, what the first of
// them thought counts, because by now the free memory is less by what they use.
func Open(dir string, host Limits) (*Ledger, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open ledger: %w", err)
	}
	l := &Ledger{dir: dir, host: host}
	if err := os.MkdirAll(l.tickets(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot open ledger: %w", err)
	}
	l.events = watchDir(l.tickets())
	return l, nil
}

// Close ends the watching of the ledger. Leases stay what they are. Nobody may
// be waiting in Acquire.
func (l *Ledger) Close() error {
	l.events.close()
	return nil
}

func (l *Ledger) tickets() string { return filepath.Join(l.dir, "tickets") }

// Lease is room that was reserved.
type Lease struct {
	Need   Need
	ticket *ticket
	once   sync.Once
	err    error
}

// Release gives the room back and wakes who waits for it. Releasing twice is
// harmless.
func (l *Lease) Release() error {
	l.once.Do(func() {
		if err := l.ticket.drop(); err != nil {
			l.err = fmt.Errorf("cannot give back room on the host: %w", err)
		}
	})
	return l.err
}

// Acquire waits until there is room for need and everyone who asked before has
// been served. A need that the host can never meet fails at once with
// ErrTooLarge. When ctx ends, the error says what was in the way; so is waiting
// told, unless it is nil, again and again while that lasts.
func (l *Ledger) Acquire(ctx context.Context, need Need, waiting func(why string)) (*Lease, error) {
	lease, err := l.acquire(ctx, need, waiting)
	if err != nil {
		return nil, fmt.Errorf("cannot reserve %s: %w", need, err)
	}
	return lease, nil
}

func (l *Ledger) acquire(ctx context.Context, need Need, waiting func(why string)) (_ *Lease, err error) {
	if need.MemoryMiB < 0 || need.CPUs < 0 || need.DiskMiB < 0 {
		return nil, errors.New("a need is negative")
	}
	var t *ticket
	err = l.withGate(ctx, func() error {
		if err := l.host.atLeast(l.loadLimits()).canEver(need); err != nil {
			return err
		}
		t, err = newTicket(l.tickets(), need)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.drop())
		}
	}()
	timer := time.NewTimer(recheck)
	defer timer.Stop()
	for woken := false; ; {
		changed := l.events.changed()
		ok, why, err := l.tryServe(ctx, t)
		if err != nil {
			return nil, err
		}
		if ok {
			return &Lease{Need: need, ticket: t}, nil
		}
		if waiting != nil {
			waiting(why)
		}
		if woken {
			timer.Reset(recheckFirst)
		} else {
			timer.Reset(recheck)
		}
		woken = false
		select {
		case <-changed:
			woken = true
		case <-timer.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w while %s", context.Cause(ctx), why)
		}
	}
}

// tryServe turns the ticket into a lease if it is its turn and there is room.
// If not, why says what is in the way.
func (l *Ledger) tryServe(ctx context.Context, t *ticket) (ok bool, why string, err error) {
	err = l.withGate(ctx, func() error {
		limits, others, err := l.survey(t)
		if err != nil {
			return err
		}
		var used Need
		var holders []ticketData
		var ahead *ticketData
		for _, o := range others {
			if o.Held {
				used = used.plus(o.Need)
				holders = append(holders, o)
			} else if o.number < t.number && (ahead == nil || o.number < ahead.number) {
				ahead = &o
			}
		}
		if ahead != nil {
			why = fmt.Sprintf("a guest of %s is served first", processes([]ticketData{*ahead}))
			return nil
		}
		alone := len(holders) == 0
		if alone && !limits.hold(used, t.Need, true) {
			// We measured while guests of others were running; they are gone.
			limits = limits.atLeast(l.loadLimits())
		}
		if !limits.hold(used, t.Need, alone) {
			why = fmt.Sprintf("%s; held for guests of %s", limits.short(used, t.Need, alone), processes(holders))
			return nil
		}
		if alone {
			if err := l.storeLimits(limits); err != nil {
				return err
			}
		}
		ok = true
		return t.hold()
	})
	return ok && err == nil, why, err
}

// survey lists the tickets of the living but the one given, removes those of
// the dead, and says which limits count. Only under the gate.
func (l *Ledger) survey(own *ticket) (Limits, []ticketData, error) {
	names, err := os.ReadDir(l.tickets())
	if err != nil {
		return Limits{}, nil, err
	}
	var others []ticketData
	held := false
	for _, n := range names {
		path := filepath.Join(l.tickets(), n.Name())
		if own != nil && path == own.path {
			continue
		}
		d, err := readTicket(path)
		switch {
		case errors.Is(err, errDead):
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return Limits{}, nil, err
			}
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Limits{}, nil, err
		}
		held = held || d.Held
		others = append(others, d)
	}
	if held {
		return l.loadLimits(), others, nil
	}
	return l.host, others, nil
}

func (n Need) plus(m Need) Need {
	return Need{n.MemoryMiB + m.MemoryMiB, n.CPUs + m.CPUs, n.DiskMiB + m.DiskMiB}
}

// short says what another guest lacks.
func (l Limits) short(used, more Need, alone bool) string {
	var lacks []string
	lack := func(what string, used, more, limit int) {
		if used+more > limit {
			lacks = append(lacks, fmt.Sprintf("%d of %d %s are taken and it wants %d", used, limit, what, more))
		}
	}
	if !alone {
		lack("virtual CPUs", used.CPUs, more.CPUs, l.CPUs)
	}
	lack("MiB of memory", used.MemoryMiB, more.MemoryMiB, l.MemoryMiB)
	lack("MiB of disk", used.DiskMiB, more.DiskMiB, l.DiskMiB)
	return strings.Join(lacks, ", ")
}

// processes names whose the tickets are, for a person who wants to end one.
func processes(of []ticketData) string {
	var pids []int
	for _, o := range of {
		if !slices.Contains(pids, o.PID) {
			pids = append(pids, o.PID)
		}
	}
	slices.Sort(pids)
	var names []string
	for _, pid := range pids {
		if pid == os.Getpid() {
			names = append(names, "this run")
		} else {
			names = append(names, fmt.Sprintf("process %d", pid))
		}
	}
	return strings.Join(names, " and ")
}

// hold reports whether another guest fits. CPUs are shared by time, so a guest
// that is alone may have as many as it likes.
func (l Limits) hold(used, more Need, alone bool) bool {
	all := used.plus(more)
	return all.MemoryMiB <= l.MemoryMiB && all.DiskMiB <= l.DiskMiB && (alone || all.CPUs <= l.CPUs)
}

// atLeast is the larger of two views of one host.
func (l Limits) atLeast(m Limits) Limits {
	return Limits{max(l.MemoryMiB, m.MemoryMiB), max(l.CPUs, m.CPUs), max(l.DiskMiB, m.DiskMiB)}
}

func (l Limits) canEver(n Need) error {
	switch {
	case n.MemoryMiB > l.MemoryMiB:
		return fmt.Errorf("%w: guests may use %d MiB of memory here; free some or give the guest less", ErrTooLarge, l.MemoryMiB)
	case n.DiskMiB > l.DiskMiB:
		return fmt.Errorf("%w: guests may use %d MiB of disk here; free some or move the cache with ASSAY_CACHE", ErrTooLarge, l.DiskMiB)
	}
	return nil
}
