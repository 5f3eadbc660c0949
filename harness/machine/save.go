package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// ErrForkUnavailable means that forks cannot be had on this host or of this
// saved state; a fresh boot can take their place. The error around it says why.
var ErrForkUnavailable = errors.New("no fork can be made")

// Saved is a guest's state in files, from which any number of forks can be
// made. The disk it ran on must not be written any more.
type Saved struct {
	// Path holds memory and devices, Size bytes of it.
	Path string
	Size int64
	// Took is how long the guest stood still to be saved.
	Took time.Duration

	// nvram is the UEFI variable store beside it, "" for a BIOS guest.
	nvram string
	file  *saveFile
}

// Remove deletes the files. Forks made from them go on.
func (s *Saved) Remove() error {
	err := removeIfThere(s.Path)
	if s.nvram != "" {
		err = errors.Join(err, removeIfThere(s.nvram))
	}
	return err
}

// Save writes the guest's state to path, where nothing may be yet. The machine
// is gone afterwards, whether or not the state turns out to be usable; only
// when the error is ErrForkUnavailable and Gone is not closed it still runs.
//
// The system daemon writes the file for itself: an ordinary user who uses it
// cannot read it back and gets ErrForkUnavailable before anything happens.
func (m *Machine) Save(ctx context.Context, path string) (*Saved, error) {
	if !m.host.at.session && os.Geteuid() != 0 {
		return nil, fmt.Errorf("cannot save guest %s: %w: the system daemon's saved guests are readable for root only", m.name, ErrForkUnavailable)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot save guest %s to %s: %w", m.name, path, errors.Join(err, os.ErrExist))
	}
	start := time.Now()
	m.keepNVRAM.Store(true)
	err := m.libvirt.call(ctx, "DomainSave", saveLimit, func(l *libvirt.Libvirt) error {
		return l.DomainSaveFlags(m.domain(), path, nil, uint32(libvirt.DomainSaveRunning))
	})
	if err != nil {
		m.keepNVRAM.Store(false)
		if isNoDomain(err) || errors.Is(err, errSessionClosed) {
			m.doubt()
			err = ErrGone
		}
		return nil, fmt.Errorf("cannot save guest %s: %w", m.name, errors.Join(err, removeIfThere(path)))
	}
	took := time.Since(start)
	m.doubt()
	select {
	case <-m.released:
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot wait for the end of saved guest %s: %w", m.name, ctx.Err())
	}
	s := &Saved{Path: path, Took: took}
	if err := s.take(m.nvram); err != nil {
		return nil, fmt.Errorf("cannot use saved guest %s: %w: %w", m.name, ErrForkUnavailable, err)
	}
	m.host.log.Info("guest saved", "guest", m.name, "bytes", s.Size, "took", took.Round(time.Millisecond))
	return s, nil
}

// take reads back what libvirt wrote and moves the variable store beside it.
func (s *Saved) take(nvram string) error {
	f, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if s.Size, err = f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if s.file, err = readSaveFile(f, s.Size); err != nil {
		return err
	}
	if nvram == "" {
		return nil
	}
	s.nvram = s.Path + ".nvram"
	return os.Rename(nvram, s.nvram)
}
