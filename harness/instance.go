package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"assay/harness/capacity"
	"assay/harness/console"
	"assay/harness/disk"
	"assay/harness/guest"
	"assay/harness/machine"
	"assay/reports"
	"assay/suites/check"
)

// instance is one guest of the run with everything that belongs to it.
type instance struct {
	name    string
	dir     string // its folder in the results
	scratch string // its folder in the run's scratch, private to us
	state   check.State
	cold    bool // booted, not forked
	started time.Time

	lease   *capacity.Lease
	machine *machine.Machine
	console *console.Watcher
	file    *os.File // console.log
	relay   *relay
	access  guestAccess
	noSudo  string // what a sudo said that is there and does not work
	noRoot  error  // why it is not known whether anybody can become root
	env     check.Env
	seed    *seed
	overlay string
	left    *atomic.Int32 // counts guests that could not be destroyed
}

// destroyLimit bounds the taking down of one guest.
const destroyLimit = 30 * time.Second

// roomNotice is how long a guest may wait for room before that is told.
const roomNotice = time.Second

// room reserves what a guest needs of the host. A wait for other guests, of this
// run or of others, has a span of its own.
func (s *session) room(ctx context.Context, name string) (*capacity.Lease, error) {
	spans := make(chan func(bool), 1)
	var why atomic.Value
	why.Store("")
	notice := time.AfterFunc(roomNotice, func() {
		spans <- s.span("wait", name, name, fmt.Sprintf("waiting for room for %s: %s", name, why.Load()))
	})
	lease, err := s.ledger.Acquire(ctx, capacity.Need{MemoryMiB: s.opt.MemoryMiB, CPUs: s.opt.CPUs, DiskMiB: guestDiskMiB},
		func(now string) { why.Store(now) })
	if !notice.Stop() {
		(<-spans)(err == nil)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reserve room for guest %s: %w", name, err)
	}
	return lease, nil
}

// newInstance makes the guest's folders. The lease becomes its own, also when
// it fails. The caller closes it.
func (s *session) newInstance(name string, state check.State, lease *capacity.Lease) (_ *instance, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, lease.Release())
		}
	}()
	i := &instance{name: name, state: state, started: time.Now(), left: &s.left, lease: lease,
		dir: filepath.Join(s.opt.Results, "guests", name), scratch: filepath.Join(s.runDir.Path, name)}
	// An earlier run's evidence must not pass for this one's.
	if err := os.RemoveAll(i.dir); err != nil {
		return nil, fmt.Errorf("cannot make a folder for guest %s: %w", name, err)
	}
	for _, d := range []string{i.dir, i.scratch} {
		// The QEMU user must reach sockets and disks inside, and nobody must list them.
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("cannot make a folder for guest %s: %w", name, err)
		}
	}
	i.file, err = os.Create(filepath.Join(i.dir, "console.log"))
	if err != nil {
		return nil, fmt.Errorf("cannot keep the console of guest %s: %w", name, err)
	}
	i.console = console.New(i.file, time.Now)
	return i, nil
}

// guestDiskMiB is what a guest's overlay is thought to grow to.
const guestDiskMiB = 2048

// openRelay lets other processes of the run reach the guest.
func (i *instance) openRelay() error {
	r, err := newRelay(filepath.Join(i.scratch, "ssh.sock"), i.machine.Network().DialContext, i.machine.Reset)
	if err != nil {
		return err
	}
	i.relay = r
	i.access.Name, i.access.Socket = i.name, r.path
	return nil
}

// enter opens the parent's own SSH connection.
func (i *instance) enter(ctx context.Context, observe guest.Observer) (*guest.SSH, guest.Readiness, error) {
	cfg, err := i.ssh()
	if err != nil {
		return nil, guest.Readiness{}, err
	}
	return guest.Await(ctx, cfg, observe)
}

// resume opens a connection of the parent's own to a fork.
func (i *instance) resume(ctx context.Context) (*guest.SSH, error) {
	cfg, err := i.ssh()
	if err != nil {
		return nil, err
	}
	return guest.Resume(ctx, cfg, i.access.BootID)
}

func (i *instance) ssh() (guest.SSHConfig, error) {
	cfg, err := i.access.config(nil)
	if err == nil {
		cfg.Dial, cfg.PowerCut = i.machine.Network().DialContext, i.machine.Reset
	}
	return cfg, err
}

// close destroys the guest and gives everything back, as far as it got. It
// works on a fresh context: the run's may be over.
func (i *instance) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), destroyLimit)
	defer cancel()
	var errs []error
	if i.machine != nil {
		err := i.machine.Destroy(ctx)
		if err != nil {
			i.left.Add(1)
		}
		errs = append(errs, err)
	}
	if i.relay != nil {
		i.relay.close()
	}
	if i.file != nil {
		errs = append(errs, i.file.Close())
	}
	errs = append(errs, os.RemoveAll(i.scratch))
	if i.lease != nil {
		errs = append(errs, i.lease.Release())
	}
	return errors.Join(errs...)
}

// boot makes a first boot of the image under a seed of its own. The lease
// becomes the guest's. It returns as soon as the machine runs; the guest is not
// up yet.
func (s *session) boot(ctx context.Context, name string, lease *capacity.Lease) (_ *instance, err error) {
	i, err := s.newInstance(name, check.Fresh, lease)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	i.cold = true
	config := seedNetwork()
	if s.plainSeed.Load() {
		config = nil
	}
	if i.seed, err = newSeed(s.runDir.ID, name, i.scratch, s.opt.SeedFormat, config); err != nil {
		return nil, err
	}
	i.overlay = filepath.Join(i.scratch, "disk.qcow2")
	if err = s.base.Overlay(ctx, i.overlay, s.base.Image.VirtualSize+diskGrowth); err != nil {
		return nil, err
	}
	i.machine, err = s.host.Boot(ctx, machine.Spec{
		Name: name, Arch: archOf(s.base.Image), Firmware: s.firmware,
		MemoryMiB: s.opt.MemoryMiB, CPUs: s.opt.CPUs,
		Disk: i.overlay, DiskFormat: "qcow2", Seed: i.seed.iso,
		Console: i.console, Listen: s.services.listen(name),
	})
	if err != nil {
		return nil, err
	}
	i.access = i.seed.access(s.scale)
	i.env = s.env(i.seed)
	return i, i.openRelay()
}

// fork makes a guest from a saved one. The lease becomes its own.
func (s *session) fork(ctx context.Context, from *snapshot, name string, lease *capacity.Lease) (_ *instance, err error) {
	i, err := s.newInstance(name, from.state, lease)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	i.seed = from.seed
	i.access = i.seed.access(s.scale)
	i.access.BootID = from.bootID
	i.overlay = filepath.Join(i.scratch, "disk.qcow2")
	if err = disk.Overlay(ctx, i.overlay, from.overlay, "qcow2", 0); err != nil {
		return nil, err
	}
	i.machine, err = s.host.Fork(ctx, from.saved, machine.ForkSpec{
		Name: name, Disk: i.overlay, Console: i.console, Listen: s.services.listen(name),
	})
	if err != nil {
		return nil, err
	}
	i.env = from.env
	return i, i.openRelay()
}

// env is what the harness promises a guest with that seed.
func (s *session) env(sd *seed) check.Env {
	e := sd.env
	e.Registry, e.Private, e.Packages = s.services.registry, s.services.private, s.services.packages
	e.ImageVirtualSize = s.base.Image.VirtualSize
	e.DiskSize = s.base.Image.VirtualSize + diskGrowth
	e.ImageFormat = s.base.Image.Format
	e.Accelerator = string(s.accel)
	e.MemoryMiB, e.CPUs = s.opt.MemoryMiB, s.opt.CPUs
	return e
}

// guestPath makes a path relative to the results folder, for evidence.
func (i *instance) guestPath(file string) string { return "guests/" + i.name + "/" + file }

// consoleEvidence is the end of the console, or the lines of the findings.
func (i *instance) consoleEvidence(found []console.Finding) reports.Evidence {
	return reports.Evidence{Kind: "console", Title: "serial console of " + i.name,
		Path: i.guestPath("console.log"), Excerpt: consoleExcerpt(i.console, found)}
}
