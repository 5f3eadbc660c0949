package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"assay/artifact"
	"assay/harness/accel"
	"assay/harness/capacity"
	"assay/harness/disk"
	"assay/harness/keeper"
	"assay/harness/machine"
	"assay/harness/usercheck"
	"assay/reports"
	"assay/reports/known"
)

// session is one run under way: what it holds on the host, and the result that
// grows.
type session struct {
	opt      Options
	spawner  spawner
	tmpdir   string // TMPDIR as it was
	runDir   *keeper.RunDir
	keeper   *keeper.Keeper
	cache    *disk.Cache
	base     *disk.Base
	host     *machine.Host
	ledger   *capacity.Ledger
	services *services
	memory   *durations
	states   *states
	trees    *treeSource
	// imageDigest is that of the container image that the host was deployed from.
	imageDigest string
	tools       *tools // nil as long as nobody could ask
	known       *known.List
	exist       []reports.CaseID                   // all checks, chosen or not
	own         map[reports.CaseID]usercheck.Check // the user's checks, packed

	accel    accel.Kind
	scale    float64
	firmware artifact.Firmware

	// plainSeed is set once the image's cloud-init proved too old for a network configuration.
	plainSeed atomic.Bool

	left  atomic.Int32 // guests that could not be taken down
	mu    sync.Mutex
	run   *reports.Run
	cases map[reports.CaseID]*reports.Case
	names map[string]int
	kept  *kept
	done  int // finished checks
	total int
}

// open takes hold of the host: the run's folder, the keeper, the image's base,
// libvirt, the ledger and the services. On error everything is given back.
func open(ctx context.Context, opt Options, run *reports.Run) (_ *session, err error) {
	s := &session{opt: opt, run: run, cases: map[reports.CaseID]*reports.Case{}, names: map[string]int{},
		spawner: spawner{Exe: opt.Exe, Args: opt.ChildArgs}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := os.MkdirAll(opt.Results, 0o755); err != nil {
		err = fmt.Errorf("cannot make the results folder: %w", err)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO) {
			return nil, &InfraError{err}
		}
		return nil, &SelectionError{err.Error() + "; choose another with --results"} // the place is wrong, and stays so
	}
	runs := filepath.Join(opt.Cache, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return nil, &InfraError{fmt.Errorf("cannot make the cache folder: %w; set ASSAY_CACHE to a folder you can write", err)}
	}

	if opt.KnownFile != "" {
		if s.known, err = known.Read(opt.KnownFile); err != nil {
			return nil, &SelectionError{err.Error()}
		}
	}
	if err := checkUpdates(ctx, opt); err != nil {
		return nil, err
	}
	// The image first: a bad one must cost nothing and touch nothing else.
	if err := s.openImage(ctx); err != nil {
		return nil, err
	}

	if s.runDir, err = keeper.NewRun(runs, opt.URI); err != nil {
		return nil, &InfraError{fmt.Errorf("cannot start a run: %w", err)}
	}
	run.ID = s.runDir.ID
	if longest := filepath.Join(s.runDir.Path, "upgrade-999", "ssh.sock"); len(longest) > unixPathLimit {
		return nil, &InfraError{fmt.Errorf("cannot use the cache folder %s: its path is too long for unix sockets (%d bytes, at most %d); set ASSAY_CACHE to a shorter one",
			opt.Cache, len(longest), unixPathLimit)}
	}
	// Libraries make temporary files too (the ISO writer does, with keys in
	// them): in the run's folder they are gone with it, even after a kill.
	s.tmpdir = os.Getenv("TMPDIR")
	if err := os.Setenv("TMPDIR", s.runDir.Path); err != nil {
		return nil, &InfraError{err}
	}
	s.keeper, err = keeper.Start(ctx, keeper.Options{Exe: opt.Exe, Args: opt.KeeperArgs, RunID: s.runDir.ID,
		ScratchDir: s.runDir.Path, URI: opt.URI, Log: opt.Log})
	if err != nil {
		return nil, &InfraError{fmt.Errorf("cannot start the keeper: %w", err)}
	}
	if err := s.openHost(ctx, runs); err != nil {
		return nil, &InfraError{err}
	}
	if s.services, err = newServices(s.treeRepo(), opt.UpdateImage, opt.Log); err != nil {
		return nil, &InfraError{err}
	}
	s.states, s.trees = newStates(s), newTreeSource(s)
	s.memory = loadDurations(filepath.Join(opt.Cache, "durations.json"))
	return s, nil
}

// treeRepo is the folder of the ostree repository that guests are served.
func (s *session) treeRepo() string {
	if s.opt.UpdateRepo != "" {
		return s.opt.UpdateRepo
	}
	return filepath.Join(s.runDir.Path, "trees")
}

// unixPathLimit is what fits into sockaddr_un, without its final zero.
const unixPathLimit = 107

// openImage identifies the image and makes its base.
func (s *session) openImage(ctx context.Context) (err error) {
	end := s.span("image", filepath.Base(s.opt.Image), "", "reading the image")
	defer func() { end(err == nil) }()
	if s.cache, err = disk.OpenCache(s.opt.Cache); err != nil {
		return &InfraError{err}
	}
	s.base, err = s.cache.Base(ctx, s.opt.Image, disk.Options{MaxSize: s.opt.MaxImageSize})
	if err != nil {
		var in *disk.InputError
		if errors.As(err, &in) {
			return err
		}
		return &InfraError{err}
	}
	if sz := s.base.SectorSize; sz != 0 && sz != 512 {
		return &InfraError{fmt.Errorf("cannot boot %s: it is partitioned for sectors of %d bytes, and guests get disks of 512", s.opt.Image, sz)}
	}
	if n := len(s.base.Extra); n > 0 {
		s.note("the box has %d more disks, which guests do not get", n)
	}
	i := s.base.Image
	if i.Arch == "" { // its loader may be what is missing: the boot will say so
		s.note("nothing in the image tells which architecture it is for: it is taken for this host's, %s", hostArch())
	}
	s.firmware = s.opt.Firmware
	if s.firmware == "" {
		s.firmware = artifact.BIOS
		if len(s.base.Firmwares) > 0 {
			s.firmware = s.base.Firmwares[0]
		}
	}
	s.run.Image = reports.Image{Name: filepath.Base(i.Path), Path: i.Path, Digest: i.Digest, Format: i.Format,
		Compression: i.Compression, Arch: i.Arch, Size: i.Size, VirtualSize: i.VirtualSize, Firmware: s.firmware, Stream: s.opt.Stream}
	return nil
}

// archOf is what an image is booted as.
func archOf(i artifact.Image) artifact.Arch { return cmp.Or(i.Arch, hostArch()) }

// openHost finds out what the host can do, takes away what killed runs left,
// and connects to libvirt.
func (s *session) openHost(ctx context.Context, runs string) error {
	kind, why, err := accel.Detect(ctx, s.opt.Cache)
	if err != nil {
		return err
	}
	s.accel, s.scale = kind, accel.Scale(kind)
	if kind != accel.KVM {
		s.note("guests are emulated, and limits are %.0f times longer: %s", s.scale, why)
	}
	reaped, err := keeper.Reap(ctx, runs, machine.DestroyOwned)
	if err != nil {
		s.note("an earlier run that was killed could not be cleaned up after: %v", err)
	}
	if len(reaped) > 0 {
		s.note("cleaned up after %d earlier runs that were killed", len(reaped))
	}
	s.host, err = machine.Connect(ctx, machine.Config{URI: s.opt.URI, RunID: s.runDir.ID, Dir: s.runDir.Path, Accel: kind, Log: s.opt.Log})
	if err != nil {
		return err
	}
	limits, err := capacity.HostLimits(s.opt.Cache)
	if err != nil {
		return err
	}
	if s.ledger, err = capacity.Open(filepath.Join(s.opt.Cache, "capacity"), limits); err != nil {
		return err
	}
	libvirt, qemu, err := s.host.Versions(ctx)
	if err != nil {
		return err
	}
	s.run.Host = reports.Host{Arch: hostArch(), CPUs: hostCPUs(), MemoryMiB: hostMemoryMiB(), Accelerator: string(kind),
		Libvirt: libvirt, QEMU: qemu, Scale: s.scale}
	return nil
}

// close gives everything back, in the reverse order. It may be called at any
// stage of open.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*destroyLimit)
	defer cancel()
	var errs []error
	if s.kept != nil {
		errs = append(errs, s.kept.instance.close())
	}
	if s.states != nil {
		errs = append(errs, s.states.close())
	}
	if s.host != nil {
		errs = append(errs, s.host.Close())
	}
	if s.services != nil {
		s.services.close(ctx)
	}
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	if s.runDir != nil {
		errs = append(errs, os.Setenv("TMPDIR", s.tmpdir), os.RemoveAll(s.runDir.Path))
	}
	switch left := s.left.Load(); {
	case s.keeper == nil:
	case left > 0:
		errs = append(errs, fmt.Errorf("%d guests could not be taken down; the keeper goes on trying, and `virsh list` shows them as assay-%s-*", left, s.runDir.ID), s.keeper.Abandon())
	default:
		errs = append(errs, s.keeper.Done())
	}
	if s.runDir != nil {
		errs = append(errs, s.runDir.Close())
	}
	if s.base != nil {
		errs = append(errs, s.base.Close())
	}
	if s.memory != nil {
		s.memory.save()
	}
	return errors.Join(errs...)
}

// guestName makes a name no other guest of the run has: "fork-3".
func (s *session) guestName(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[kind]++
	return fmt.Sprintf("%s-%d", kind, s.names[kind])
}

// note adds a remark to the report and tells the watcher.
func (s *session) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.run.Notes = append(s.run.Notes, text)
	s.mu.Unlock()
	s.opt.Progress(Progress{Time: time.Now(), Stage: "note", Done: true, OK: true, Text: text})
}

// span starts a bar of the timeline; the returned function ends it.
func (s *session) span(kind, name, guest, text string) func(ok bool) {
	start := time.Now()
	s.opt.Progress(Progress{Time: start, Stage: kind, Name: name, Text: text})
	return func(ok bool) {
		end := time.Now()
		s.mu.Lock()
		s.run.Timeline = append(s.run.Timeline, reports.Span{Kind: kind, Name: name, Guest: guest,
			Start: start.Sub(s.run.Started), End: end.Sub(s.run.Started), OK: ok})
		p := Progress{Time: end, Stage: kind, Name: name, Done: true, OK: ok, Checks: s.done, Total: s.total,
			Text: fmt.Sprintf("%s (%s)", text, end.Sub(start).Round(100*time.Millisecond))}
		s.mu.Unlock()
		s.opt.Progress(p)
	}
}

func discardLog() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
