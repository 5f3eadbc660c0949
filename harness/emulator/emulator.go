// Package emulator finds and ends the processes that emulate guests, whatever
// libvirt knows of them.
package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process emulates one guest on this host.
type Process struct {
	PID int
	// Guest is its name within the run: "boot-1".
	Guest string
}

// Of are the processes that emulate guests of the run. proc is /proc, or a likeness of it.
func Of(proc, runID string) []Process {
	entries, err := os.ReadDir(proc)
	if err != nil || runID == "" {
		return nil
	}
	var all []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if guest, ok := emulates(proc, pid, runID); ok {
			all = append(all, Process{pid, guest})
		}
	}
	return all
}

// emulates reports whether the process is QEMU for a guest of the run. No other
// process names a run in QEMU's way.
func emulates(proc string, pid int, runID string) (guest string, ok bool) {
	line, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return "", false // it is gone
	}
	args := bytes.Split(line, []byte{0})
	if !strings.Contains(filepath.Base(string(args[0])), "qemu") {
		return "", false
	}
	for _, a := range args {
		// -name guest=assay-RUN-GUEST,debug-threads=on
		if rest, ok := strings.CutPrefix(string(a), "guest=assay-"+runID+"-"); ok {
			guest, _, _ := strings.Cut(rest, ",")
			return guest, true
		}
	}
	return "", false
}

// Kill kills the run's emulators and says how many there were.
func Kill(runID string) (n int, err error) {
	for _, e := range Of("/proc", runID) {
		fd, oerr := unix.PidfdOpen(e.PID, 0)
		if errors.Is(oerr, unix.ESRCH) {
			continue // it has ended
		}
		if oerr != nil {
			err = errors.Join(err, fmt.Errorf("cannot end guest %s (process %d): %w", e.Guest, e.PID, oerr))
			continue
		}
		// Asked again, as only now the number cannot become another process's.
		if _, still := emulates("/proc", e.PID, runID); still {
			switch kerr := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); {
			case kerr == nil:
				n++
			case !errors.Is(kerr, unix.ESRCH):
				err = errors.Join(err, fmt.Errorf("cannot end guest %s (process %d): %w", e.Guest, e.PID, kerr))
			}
		}
		unix.Close(fd)
	}
	return n, err
}
