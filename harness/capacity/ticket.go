package capacity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ticketData is the content of a ticket file.
type ticketData struct {
	Need
	PID int `json:"pid"`
	// Held is false while the ticket waits.
	Held bool `json:"held"`

	number int
}

// ticket is a file of ours, with its lock.
type ticket struct {
	ticketData
	path string
	file *os.File
}

const ticketSuffix = ".ticket"

// errDead marks a ticket whose process is gone.
var errDead = errors.New("its process is gone")

// newTicket draws the next number. Only under the gate.
func newTicket(dir string, need Need) (*ticket, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	last := 0
	for _, n := range names {
		if i, ok := ticketNumber(n.Name()); ok {
			last = max(last, i)
		}
	}
	t := &ticket{ticketData: ticketData{Need: need, PID: os.Getpid(), number: last + 1}}
	t.path = filepath.Join(dir, fmt.Sprintf("%012d%s", t.number, ticketSuffix))
	// Opened for writing: closing it, also by being killed, is an event to watchers.
	if t.file, err = os.OpenFile(t.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(flock(t.file, unix.LOCK_EX|unix.LOCK_NB), t.write()); err != nil {
		return nil, errors.Join(err, t.drop())
	}
	return t, nil
}

func ticketNumber(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, ticketSuffix)
	if !ok || len(digits) > 15 {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0
}

func (t *ticket) write() error {
	b, err := json.Marshal(t.ticketData)
	if err != nil {
		return err
	}
	_, err = t.file.WriteAt(append(b, '\n'), 0)
	return errors.Join(err, t.file.Truncate(int64(len(b)+1)))
}

// hold turns the ticket into a lease. Only under the gate.
func (t *ticket) hold() error {
	t.Held = true
	return t.write()
}

// drop removes the ticket, and only then its lock: while the lock is held
// nobody else touches the file, so the gate is not needed.
func (t *ticket) drop() error {
	err := os.Remove(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody emptied the folder
	}
	return errors.Join(err, t.file.Close())
}

// readTicket reads another's ticket: errDead if its lock is free. Only under the gate.
func readTicket(path string) (d ticketData, err error) {
	n, ok := ticketNumber(filepath.Base(path))
	if !ok {
		return d, errDead // nothing of ours; an empty folder is the ledger's right
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return d, err
	}
	defer f.Close()
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return d, errDead
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return d, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("cannot read ticket %s: %w", path, err)
	}
	d.number = n
	return d, nil
}

// storeLimits notes what counts until nobody holds a lease any more.
func (l *Ledger) storeLimits(limits Limits) error {
	b, err := json.Marshal(limits)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.dir, "limits.json"), b, 0o600)
}

// loadLimits falls back on our own view where the stored one is unreadable.
func (l *Ledger) loadLimits() Limits {
	var limits Limits
	b, err := os.ReadFile(filepath.Join(l.dir, "limits.json"))
	if err != nil || len(b) > 4096 || json.Unmarshal(b, &limits) != nil {
		return l.host
	}
	return limits
}

// withGate runs f while no other process or goroutine looks at the ledger. Looks take
// well under a millisecond.
func (l *Ledger) withGate(ctx context.Context, f func() error) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gate, err := os.OpenFile(filepath.Join(l.dir, "gate"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer gate.Close()
	pause := time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		err := flock(gate, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("%w while another process looks at the ledger", context.Cause(ctx))
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
			}
			return nil
		}
	}
}
