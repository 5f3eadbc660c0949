package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// Fork starts a copy of a saved guest that goes on where that one stood: same
// memory, same addresses, same boot id, with a disk, a network and a serial
// port of its own. Its clock still shows the time of saving; its open
// connections are dead.
//
// The fork is not tied to this process (libvirt's autodestroy is for Boot
// only). Whatever keeps a fork from starting, other than ctx or a wrong f, is
// ErrForkUnavailable. Console and Listen may be used twice, for two attempts.
func (h *Host) Fork(ctx context.Context, s *Saved, f ForkSpec) (*Machine, error) {
	if err := checkName("a guest's name", f.Name); err != nil {
		return nil, err
	}
	known := source(h.source.Load())
	try := []source{known}
	if known == unknownSource {
		try = []source{pipeSource, fileSource}
	}
	var failed error
	for _, from := range try {
		m, err := h.forkOnce(ctx, s, f, from)
		if err == nil {
			h.source.Store(int32(from))
			return m, nil
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("cannot fork guest %s: %w", f.Name, failed)
		}
		if _, late := errors.AsType[*DeadlineError](err); late || errors.Is(err, errNoRestore) {
			break
		}
	}
	return nil, fmt.Errorf("cannot fork guest %s: %w: %w", f.Name, ErrForkUnavailable, failed)
}

// source is what libvirt restores from.
type source int32

const (
	// unknownSource: try a pipe and, as not every libvirt may take one, a file.
	unknownSource source = iota
	pipeSource
	fileSource
)

// errNoRestore means that the failure came before libvirt was asked.
var errNoRestore = errors.New("nothing to restore")

// forkOnce makes a fork with everything it connects to, as a QEMU that fails
// has used up its connections.
func (h *Host) forkOnce(ctx context.Context, s *Saved, f ForkSpec, from source) (*Machine, error) {
	m, w, err := h.newMachine(f.Name, f.Console, f.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoRestore, err)
	}
	start := time.Now()
	if err := m.restore(ctx, w, s, f.Disk, from); err != nil {
		return nil, errors.Join(h.explain(err), m.abandon(ctx))
	}
	go m.watch()
	h.started(m, "forked", time.Since(start))
	return m, nil
}

func (m *Machine) restore(ctx context.Context, w wiring, s *Saved, disk string, from source) error {
	head, err := s.headFor(w, disk)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoRestore, err)
	}
	if s.nvram != "" {
		m.nvram = w.nvram
		if err := copyFile(w.nvram, s.nvram); err != nil {
			return fmt.Errorf("%w: cannot copy the UEFI variables: %w", errNoRestore, err)
		}
	}
	if from == fileSource {
		return m.restoreFromFile(ctx, head, s)
	}
	return m.restoreFromPipe(ctx, head, s)
}

// headFor is what a fork's file begins with, up to the migration stream.
func (s *Saved) headFor(w wiring, disk string) ([]byte, error) {
	st, err := os.Stat(s.Path)
	if err != nil {
		return nil, err
	}
	if st.Size() != s.Size {
		return nil, fmt.Errorf("%w: %s has %d bytes and had %d when it was saved", errSaveFile, s.Path, st.Size(), s.Size)
	}
	x, err := rewire(s.file.xml, w, disk)
	if err != nil {
		return nil, err
	}
	return s.file.encodeFor(x)
}

func (m *Machine) restoreFromPipe(ctx context.Context, head []byte, s *Saved) error {
	f, err := startFeeder(filepath.Join(m.host.cfg.Dir, m.name+".pipe"), head, s.Path, s.file.streamAt)
	if err != nil {
		return err
	}
	rerr := m.restoreOnce(ctx, f.path)
	if err := f.stop(); rerr != nil {
		return errors.Join(rerr, err)
	}
	return nil
}

func (m *Machine) restoreFromFile(ctx context.Context, head []byte, s *Saved) error {
	path := filepath.Join(m.host.cfg.Dir, m.name+".restore")
	if err := writeFork(path, head, s.Path, s.file.streamAt); err != nil {
		return fmt.Errorf("cannot write the fork's file: %w", err)
	}
	defer os.Remove(path)
	return m.restoreOnce(ctx, path)
}

func (m *Machine) restoreOnce(ctx context.Context, path string) error {
	return m.libvirt.call(ctx, "DomainRestore", createLimit, func(l *libvirt.Libvirt) error {
		return l.DomainRestoreFlags(path, nil, uint32(libvirt.DomainSaveRunning))
	})
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
