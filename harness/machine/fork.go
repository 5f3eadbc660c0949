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
// ErrForkUnavailable.
func (h *Host) Fork(ctx context.Context, s *Saved, f ForkSpec) (*Machine, error) {
	if err := checkName("a guest's name", f.Name); err != nil {
		return nil, err
	}
	m, w, err := h.newMachine(f.Name, f.Console, f.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare fork %s: %w", f.Name, err)
	}
	start := time.Now()
	if err := h.restore(ctx, m, w, s, f.Disk); err != nil {
		err = errors.Join(h.explain(err), m.abandon(ctx))
		if ctx.Err() != nil {
			return nil, fmt.Errorf("cannot fork guest %s: %w", f.Name, err)
		}
		return nil, fmt.Errorf("cannot fork guest %s: %w: %w", f.Name, ErrForkUnavailable, err)
	}
	go m.watch()
	h.started(m, "forked", time.Since(start))
	return m, nil
}

func (h *Host) restore(ctx context.Context, m *Machine, w wiring, s *Saved, disk string) error {
	st, err := os.Stat(s.Path)
	if err != nil {
		return err
	}
	if st.Size() != s.Size {
		return fmt.Errorf("%w: %s has %d bytes and had %d when it was saved", errSaveFile, s.Path, st.Size(), s.Size)
	}
	x, err := rewire(s.file.xml, w, disk)
	if err != nil {
		return err
	}
	head, err := s.file.encodeFor(x)
	if err != nil {
		return err
	}
	if s.nvram != "" {
		m.nvram = w.nvram
		if err := copyFile(w.nvram, s.nvram); err != nil {
			return fmt.Errorf("cannot copy the UEFI variables: %w", err)
		}
	}
	if !h.noPipe.Load() {
		perr := m.restoreFromPipe(ctx, head, s)
		if perr == nil || ctx.Err() != nil {
			return perr
		}
		if _, late := errors.AsType[*DeadlineError](perr); late {
			return perr
		}
		h.log.Warn("libvirt did not restore from a pipe; writing a file", "guest", m.name, "error", perr)
		if err := m.restoreFromFile(ctx, head, s); err != nil {
			return errors.Join(perr, err)
		}
		h.noPipe.Store(true)
		return nil
	}
	return m.restoreFromFile(ctx, head, s)
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
