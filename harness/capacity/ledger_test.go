package capacity

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var host = Limits{MemoryMiB: 4000, CPUs: 4, DiskMiB: 10000}

// The test binary is also the other process.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "hold" {
		if err := holdInChild(os.Args[2], os.Args[3]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// holdInChild takes leases and gives them back, "forever" or so many times.
func holdInChild(dir, times string) error {
	l, err := Open(dir, host)
	if err != nil {
		return err
	}
	if times == "forever" {
		if _, err := l.Acquire(context.Background(), Need{MemoryMiB: 3000, CPUs: 1}, nil); err != nil {
			return err
		}
		fmt.Println("held")
		select {}
	}
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for range n {
		lease, err := l.Acquire(ctx, Need{MemoryMiB: 1900, CPUs: 1, DiskMiB: 1}, nil)
		if err != nil {
			return err
		}
		if err := counted(filepath.Dir(dir), 2, func() {}); err != nil {
			return err
		}
		if err := lease.Release(); err != nil {
			return err
		}
	}
	return l.Close()
}

// counted runs f and fails when more than limit processes and goroutines do
// so at once. Each of limit files can be locked by one.
func counted(dir string, limit int, f func()) error {
	for i := range limit {
		s, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("slot%d", i)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		err = unix.Flock(int(s.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			f()
			return s.Close()
		}
		_ = s.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
	}
	return fmt.Errorf("more than %d at once", limit)
}

func open(t *testing.T, dir string, l Limits) *Ledger {
	t.Helper()
	led, err := Open(dir, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = led.Close() })
	return led
}

func take(t *testing.T, l *Ledger, n Need) *Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	lease, err := l.Acquire(ctx, n, nil)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestTheLimitsHoldAmongGoroutinesAndProcesses(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "ledger")
	var children []*exec.Cmd
	var outs []*strings.Builder
	for range 3 {
		c := exec.Command(os.Args[0], "hold", dir, "15")
		out := &strings.Builder{}
		c.Stdout, c.Stderr = out, out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children, outs = append(children, c), append(outs, out)
	}
	l := open(t, dir, host)
	var wg sync.WaitGroup
	var served atomic.Int32
	for range 12 {
		wg.Go(func() {
			for range 5 {
				lease := take(t, l, Need{MemoryMiB: 1900, CPUs: 1, DiskMiB: 1})
				if err := counted(top, 2, func() { served.Add(1) }); err != nil {
					t.Error(err)
				}
				if err := lease.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("child: %v\n%s", err, outs[i])
		}
	}
	if served.Load() != 60 {
		t.Errorf("%d served", served.Load())
	}
	if left, _ := os.ReadDir(l.tickets()); len(left) != 0 {
		t.Errorf("tickets left: %v", left)
	}
}

func TestAKilledHolderFreesItsLease(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(os.Args[0], "hold", dir, "forever")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	l := open(t, dir, host)
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = l.Acquire(short, Need{MemoryMiB: 2000}, nil)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fmt.Sprintf("3000 of 4000 MiB of memory are taken and it wants 2000; held for guests of process %d", c.Process.Pid)) {
		t.Fatalf("while held: %v", err)
	}
	got := make(chan *Lease)
	go func() { got <- take(t, l, Need{MemoryMiB: 2000}) }()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	lease := <-got
	if d := time.Since(killed); d > 900*time.Millisecond {
		t.Errorf("the lease of a killed process came back after %s", d)
	}
	if err := lease.Release(); err != nil {
		t.Error(err)
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	l := open(t, t.TempDir(), host)
	first := take(t, l, Need{MemoryMiB: 3000})
	order := make(chan string, 2)
	var wg sync.WaitGroup
	ask := func(name string, mem int) {
		before, _ := os.ReadDir(l.tickets())
		wg.Go(func() {
			lease := take(t, l, Need{MemoryMiB: mem})
			order <- name
			if err := lease.Release(); err != nil {
				t.Error(err)
			}
		})
		for { // until the ticket is drawn
			if now, _ := os.ReadDir(l.tickets()); len(now) > len(before) {
				return
			}
			<-time.After(time.Millisecond)
		}
	}
	ask("big", 4000)
	ask("small", 100) // would fit beside the first, and must not overtake
	select {
	case name := <-order:
		t.Fatalf("%s overtook", name)
	case <-time.After(150 * time.Millisecond):
	}
	if err := errors.Join(first.Release(), first.Release()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if a, b := <-order, <-order; a != "big" || b != "small" {
		t.Errorf("served %s, %s", a, b)
	}
}

func TestATooLargeNeedFailsAtOnce(t *testing.T) {
	l := open(t, t.TempDir(), host)
	for _, n := range []Need{{MemoryMiB: 4001}, {DiskMiB: 10001}, {MemoryMiB: -1}} {
		if _, err := l.Acquire(t.Context(), n, nil); err == nil || n.MemoryMiB >= 0 && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	// CPUs are shared by time: one guest may have more than there are, alone.
	big := take(t, l, Need{CPUs: 64})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Acquire(ctx, Need{CPUs: 1}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beside a guest with every CPU: %v", err)
	}
	if err := big.Release(); err != nil {
		t.Error(err)
	}
	if err := take(t, l, Need{CPUs: 1}).Release(); err != nil {
		t.Error(err)
	}
}

func TestAGivenUpWaitLetsTheNextThrough(t *testing.T) {
	l := open(t, t.TempDir(), host)
	first := take(t, l, Need{MemoryMiB: 3000})
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := make(chan error)
	go func() {
		_, err := l.Acquire(ctx, Need{MemoryMiB: 4000}, nil)
		gone <- err
	}()
	for {
		if now, _ := os.ReadDir(l.tickets()); len(now) == 2 {
			break
		}
		<-time.After(time.Millisecond)
	}
	next := make(chan *Lease)
	go func() { next <- take(t, l, Need{MemoryMiB: 500}) }()
	why := errors.New("interrupted")
	cancel(why)
	if err := <-gone; !errors.Is(err, why) {
		t.Errorf("given up with %v", err)
	}
	if err := errors.Join((<-next).Release(), first.Release()); err != nil {
		t.Error(err)
	}
}

// TestTheFirstHoldersViewCounts: a second process sees less free memory,
// because the first one's guest uses it already.
func TestTheFirstHoldersViewCounts(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, host), open(t, dir, Limits{MemoryMiB: 1000, CPUs: 4, DiskMiB: 10000})
	first := take(t, a, Need{MemoryMiB: 2000})
	second := take(t, b, Need{MemoryMiB: 2000})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := b.Acquire(ctx, Need{MemoryMiB: 1}, nil); err == nil {
		t.Error("the host was overcommitted")
	}
	if err := errors.Join(first.Release(), second.Release()); err != nil {
		t.Error(err)
	}
	// Nobody is left, and b's view is too small only because of what was.
	if err := take(t, b, Need{MemoryMiB: 3500}).Release(); err != nil {
		t.Error(err)
	}
}

func TestRubbishInTheLedgerIsRemoved(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, host)
	for name, text := range map[string]string{
		"000000000007.ticket": `{"memory_mib":4000,"held":true}`, "000000000008.ticket": "", "x": "y", "99999999999999999999.ticket": "{",
	} {
		if err := os.WriteFile(filepath.Join(l.tickets(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := take(t, l, Need{MemoryMiB: 4000}).Release(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(l.tickets()); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	l, err := Open(b.TempDir(), host)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for b.Loop() {
		lease, err := l.Acquire(b.Context(), Need{MemoryMiB: 1}, nil)
		if err != nil {
			b.Fatal(err)
		}
		_ = lease.Release()
	}
}
