package capacity

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// events tells waiters that a ticket came, went or changed. It uses inotify
// itself, because the event that matters most is one that portable wrappers
// leave out: IN_CLOSE_WRITE, with which a killed process gives itself away.
// Where inotify cannot be had nothing is told, and waiters look by themselves.
type events struct {
	file *os.File
	done chan struct{}

	mu   sync.Mutex
	wake chan struct{}
}

func watchDir(dir string) *events {
	e := &events{done: make(chan struct{}), wake: make(chan struct{})}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		if _, err = unix.InotifyAddWatch(fd, dir, unix.IN_CLOSE_WRITE|unix.IN_MODIFY|unix.IN_DELETE); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		close(e.done)
		return e
	}
	e.file = os.NewFile(uintptr(fd), "inotify")
	go e.read()
	return e
}

// read ends when close closes the file.
func (e *events) read() {
	defer close(e.done)
	buf := make([]byte, 16<<10)
	for {
		if _, err := e.file.Read(buf); err != nil {
			return
		}
		e.mu.Lock()
		close(e.wake)
		e.wake = make(chan struct{})
		e.mu.Unlock()
	}
}

// changed returns a channel that closes at the next event.
func (e *events) changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.wake
}

func (e *events) close() {
	if e.file != nil {
		_ = e.file.Close()
	}
	<-e.done
}
