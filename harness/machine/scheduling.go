package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// HeldBack is what the host kept from a guest: a guest that uses no processor
// time because it gets none looks idle and is not.
type HeldBack struct {
	// Waited is how long the guest's threads have waited for a processor in all.
	Waited time.Duration
	// Stopped is true for a QEMU that somebody stopped (SIGSTOP, a debugger, a
	// frozen control group).
	Stopped bool
}

// HeldBack reads what the host keeps from the guest; the zero value where the
// host does not tell.
func (m *Machine) HeldBack() HeldBack {
	if m.serial == nil {
		return HeldBack{}
	}
	return heldBack("/proc", m.serial.peer())
}

// heldBack sums up a process's threads, see proc_pid_stat(5) and the kernel's
// Documentation/scheduler/sched-stats.rst.
func heldBack(proc string, pid int) (h HeldBack) {
	if pid <= 0 {
		return h
	}
	dir := filepath.Join(proc, strconv.Itoa(pid))
	if text, err := os.ReadFile(filepath.Join(dir, "stat")); err == nil {
		// PID (NAME) STATE ...; the name may hold anything.
		rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
		f := strings.Fields(rest)
		h.Stopped = len(f) > 0 && (f[0] == "T" || f[0] == "t")
	}
	tasks, err := os.ReadDir(filepath.Join(dir, "task"))
	if errors.Is(err, fs.ErrNotExist) {
		return h
	}
	for _, t := range tasks {
		text, err := os.ReadFile(filepath.Join(dir, "task", t.Name(), "schedstat"))
		if err != nil {
			continue // the thread has ended
		}
		f := strings.Fields(string(text))
		if len(f) < 2 {
			continue
		}
		if ns, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			h.Waited += time.Duration(ns)
		}
	}
	return h
}
