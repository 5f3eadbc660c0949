package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"

	"assay/artifact"
)

// slowCreate is ten times what libvirt needs; above it something is wrong with
// the host that its owner should hear of.
const slowCreate = 10 * time.Second

// Boot starts a guest and returns when its first instruction may have run. The
// guest dies with this process: it is tied to its connection to libvirt.
func (h *Host) Boot(ctx context.Context, s Spec) (*Machine, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	m, w, err := h.newMachine(s.Name, s.Console, s.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare guest %s: %w", s.Name, err)
	}
	if s.Firmware == artifact.UEFI {
		m.nvram = w.nvram
	}
	start := time.Now()
	err = removeIfThere(w.nvram)
	var x string
	if err == nil {
		x, err = domainXML(s, w, h.processor)
	}
	if err == nil {
		err = m.libvirt.call(ctx, "DomainCreateXML", createLimit, func(l *libvirt.Libvirt) error {
			_, err := l.DomainCreateXML(x, libvirt.DomainStartAutodestroy)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot boot guest %s: %w", s.Name, errors.Join(h.explain(err), m.abandon(ctx)))
	}
	go m.watch()
	h.started(m, "booted", time.Since(start))
	return m, nil
}

func (h *Host) started(m *Machine, how string, took time.Duration) {
	h.log.Info("guest "+how, "guest", m.name, "domain", m.domainName(), "took", took.Round(time.Millisecond))
	if took > slowCreate {
		h.log.Warn("libvirt was slow to start a guest; run `assay doctor`", "took", took.Round(time.Second))
	}
}

// explain adds the next step to what libvirt says of the two things that keep
// guests from starting on hosts that are otherwise fine.
func (h *Host) explain(err error) error {
	e, ok := errors.AsType[libvirt.Error](err)
	switch {
	case ok && strings.Contains(e.Message, "virtlogd-sock"):
		return fmt.Errorf("%w (virtlogd is not running; run `assay doctor`)", err)
	case ok && strings.Contains(e.Message, "Permission denied"):
		return fmt.Errorf("%w (QEMU runs as a user of its own, who must be able to enter %s and all folders above it)", err, h.cfg.Dir)
	}
	return err
}
