package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"assay/harness/console"
	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/machine"
	"assay/reports"
)

// Limits of a boot.
const (
	// bootLimit is how long a boot may take on a KVM host, from power-on to
	// the first command: ten times a slow cloud image.
	bootLimit = 90 * time.Second
	// bootLimitLeast is the same on any host: what systemd and dracut wait for a
	// device or a unit that does not come (90 to 240 seconds), whatever the host's
	// speed. They say then what is missing.
	bootLimitLeast = 6 * time.Minute
	// idleTick is how often a guest's CPU time is looked at while it boots.
	idleTick = 5 * time.Second
	// idleShare is the part of one CPU below which a guest counts as idle. An
	// idle Linux under emulation takes 2 to 5 %.
	idleShare = 0.15
	// stuckAfter ends a boot that was idle and silent that long. systemd gives
	// up on units and on the network after 90 to 120 seconds, whatever the
	// host's speed, and may go on booting then.
	stuckAfter = 150 * time.Second
	// stuckWhenUp is the same once the console shows that the boot is over.
	stuckWhenUp = 45 * time.Second
	// stuckInJobs is the same once somebody could log in: units that wait for what
	// the closed network does not have, such as the time, give up after 180 seconds.
	stuckInJobs = 4 * time.Minute
	// refusedFor ends a boot whose SSH server has refused the seed's keys that
	// long, the last refusedSilent of it without a word on the console. Asking
	// keeps an emulated guest busy, so it would never count as idle.
	refusedFor    = 3 * time.Minute
	refusedSilent = time.Minute
)

// notUpError is a boot that did not come up, and whose fault that is.
type notUpError struct {
	diagnosis
	guest    string
	evidence []reports.Evidence
	// cloudInit is the version that the guest's says it is; empty is unknown.
	cloudInit string
}

func (e *notUpError) Error() string { return e.Message }

// bringUp boots the image and waits until it is up, trying again on a fresh
// guest when the infrastructure was at fault. The error is a *notUpError when
// a guest did not come up.
func (s *session) bringUp(ctx context.Context, kind string) (*instance, *guest.SSH, error) {
	for attempt := 0; ; attempt++ {
		i, g, err := s.bringUpOnce(ctx, s.guestName(kind))
		if err == nil {
			return i, g, nil
		}
		var down *notUpError
		isDown := errors.As(err, &down)
		if isDown && down.Check == bootSeed && withoutNetworkConfig.MatchString(down.cloudInit) && !withoutHostKey.MatchString(down.cloudInit) && s.plainSeed.CompareAndSwap(false, true) {
			s.note("cloud-init %s is too old for the network configuration of the seed: booted again with a seed that has none", down.cloudInit)
			attempt-- // nothing was wrong with the guest
			continue
		}
		if isDown && down.Fault == reports.FaultImage {
			return nil, nil, err
		}
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if attempt >= s.opt.Retries {
			return nil, nil, err
		}
		s.note("boot tried again after an infrastructure fault: %v", err)
	}
}

func (s *session) bringUpOnce(ctx context.Context, name string) (_ *instance, _ *guest.SSH, err error) {
	lease, err := s.room(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	end := s.span("boot", name, name, "booting "+name)
	defer func() { end(err == nil) }()
	i, err := s.boot(ctx, name, lease)
	if err != nil {
		return nil, nil, err
	}
	g, ready, err := s.await(ctx, i)
	if err == nil {
		g, err = i.becomeRoot(ctx, g)
	}
	if err != nil {
		var failed []string
		var down *notUpError
		if errors.As(err, &down) && down.Fault == reports.FaultImage {
			failed = append(failed, string(down.Check))
		}
		s.dismiss(i, failed)
		return nil, nil, err
	}
	s.recordBoot(ctx, i, g, ready)
	return i, g, nil
}

// await waits until the guest is up, watching its console, its machine and its
// CPU time for signs that it never will be.
func (s *session) await(ctx context.Context, i *instance) (*guest.SSH, guest.Readiness, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, max(bootLimitLeast, time.Duration(float64(bootLimit)*s.scale)))
	defer cancel()
	findings, unsubscribe := i.console.Subscribe()
	defer unsubscribe()

	type answer struct {
		g     *guest.SSH
		ready guest.Readiness
		err   error
	}
	answers := make(chan answer, 1)
	stages := make(chan guest.Observation, 16)
	wait, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		g, ready, err := i.enter(wait, func(o guest.Observation) {
			select {
			case stages <- o:
			default: // only a hint of progress
			}
		})
		answers <- answer{g, ready, err}
	}()

	idle := newIdleWatch(began)
	tick := time.NewTicker(idleTick)
	defer tick.Stop()
	e, starts := ending{}, 0
	fail := func(a answer) (*guest.SSH, guest.Readiness, error) {
		stop()
		if a.err == nil && a.g == nil {
			a = <-answers
		}
		if a.g != nil {
			a.g.Close()
		}
		lines := i.console.Since(0)
		e.inInitramfs, e.ignited, e.loader = inInitramfs(lines), ignited(lines), loaderIn(lines)
		e.cloudInitVersion = cloudInitVersion(lines)
		e.cloudInit = slices.ContainsFunc(lines, cloudInit.MatchString)
		e.findings, e.bytes, e.err, e.waited = i.console.Findings(), i.console.Bytes(), a.err, time.Since(began)
		e.waiting = i.console.Waiting()
		select {
		case <-i.machine.Gone():
			end := i.machine.End()
			e.end = &end
		default:
		}
		d := diagnose(e, s.accel)
		return nil, guest.Readiness{}, &notUpError{diagnosis: d, guest: i.name, evidence: []reports.Evidence{i.consoleEvidence(d.Shown)}, cloudInit: e.cloudInitVersion}
	}
	for {
		select {
		case a := <-answers:
			if a.err == nil {
				return a.g, a.ready, nil
			}
			if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
				return nil, guest.Readiness{}, cause // the run was cancelled
			}
			e.idle = idle.long(time.Now(), stuckAfter/2)
			return fail(a)
		case f, ok := <-findings:
			if !ok {
				findings = nil
				continue
			}
			switch f.Kind {
			case console.LoginPrompt, console.CloudInitFinished:
				idle.up = true
			case console.KernelStarted:
				starts++
			}
			if f.Fatal || f.Kind == console.EmulatorFault || starts == rebootLoop {
				return fail(answer{})
			}
		case <-i.machine.Gone():
			return fail(answer{})
		case o := <-stages:
			idle.progress(o)
		case now := <-tick.C:
			cpu, err := i.machine.CPUTime(ctx)
			if errors.Is(err, machine.ErrPaused) {
				e.end = pausedEnd(err)
				return fail(answer{})
			}
			if err != nil {
				continue // its end shows elsewhere
			}
			idle.look(now, cpu, i.machine.HeldBack(), i.console.Said())
			e.idle, e.refused = idle.stuck(now), idle.refuses(now)
			if e.idle || e.refused {
				return fail(answer{})
			}
		}
	}
}

// idleWatch tells a guest that waits for something that will not come from one
// that is merely slow.
type idleWatch struct {
	since time.Time // idle and silent since
	at    time.Time
	cpu   time.Duration
	held  time.Duration // see machine.HeldBack
	said  int64         // see console.Said
	up    bool          // the console shows a finished boot
	in    bool          // somebody could log in
	// silent is since when the console has been, refused since when the SSH
	// server has known nothing of the seed's keys; zero when it does.
	silent, refused time.Time
}

func newIdleWatch(now time.Time) *idleWatch { return &idleWatch{since: now, at: now, silent: now} }

// progress takes a step forward that was seen over SSH.
func (w *idleWatch) progress(o guest.Observation) {
	w.since = o.At
	switch o.Stage {
	case guest.StageHostKey, guest.StageLogin:
		if w.refused.IsZero() {
			w.refused = o.At
		}
	case guest.StageNoLogin, guest.StageBoot:
		w.in, w.refused = true, time.Time{}
	default:
		w.refused = time.Time{}
	}
}

// refuses reports a guest that is up, and whose SSH server will not let us in.
func (w *idleWatch) refuses(now time.Time) bool {
	return !w.refused.IsZero() && now.Sub(w.refused) >= refusedFor && now.Sub(w.silent) >= refusedSilent
}

// look takes a reading of the guest's CPU time and console. What the host let
// the guest wait is no time that it had: it does not count as idle or silent.
func (w *idleWatch) look(now time.Time, cpu time.Duration, held machine.HeldBack, said int64) {
	elapsed := now.Sub(w.at)
	waited := min(max(0, held.Waited-w.held), elapsed)
	if held.Stopped {
		waited = elapsed
	}
	if float64(cpu-w.cpu) > idleShare*float64(elapsed-waited) || said != w.said {
		w.since = now
	} else {
		w.since = w.since.Add(waited)
	}
	if said != w.said {
		w.silent = now
	} else {
		w.silent = w.silent.Add(waited)
	}
	if !w.refused.IsZero() {
		w.refused = w.refused.Add(waited)
	}
	w.held, w.at, w.cpu, w.said = held.Waited, now, cpu, said
}

func (w *idleWatch) long(now time.Time, d time.Duration) bool { return now.Sub(w.since) >= d }

func (w *idleWatch) stuck(now time.Time) bool {
	switch {
	case w.in:
		return w.long(now, stuckInJobs)
	case w.up:
		return w.long(now, stuckWhenUp)
	}
	return w.long(now, stuckAfter)
}

// recordBoot notes what a boot that came up tells of itself.
func (s *session) recordBoot(ctx context.Context, i *instance, g *guest.SSH, ready guest.Readiness) {
	b, err := guest.BootTimes(ctx, g)
	if err != nil {
		s.opt.Log.Debug("a guest does not account for its boot", "guest", i.name, "err", err)
	}
	b.Guest, b.Kind, b.Firmware = i.name, "cold", s.firmware
	b.ToBanner, b.ToReady = ready.Banner.Sub(i.started), ready.BootDone.Sub(i.started)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.Boots = append(s.run.Boots, b)
}

// firstBoot boots the image, turns what happened into the cases of suite
// "boot", reads who the guest is, and keeps it as the state every fork starts
// from. It reports whether a guest came up.
func (s *session) firstBoot(ctx context.Context) (bool, error) {
	i, g, err := s.bringUp(ctx, "boot")
	if err != nil {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		s.recordDown(err)
		return false, nil
	}
	s.recordUp(i, true)
	if err := s.readFacts(ctx, i, g); err != nil {
		s.note("cannot read who the guest is: %v", err)
	}
	s.scale = stretched(s.scale, s.lastBoot())
	s.run.Host.Scale = s.scale
	if s.opt.NoFork {
		g.Close()
		s.dismiss(i, nil)
		return true, nil
	}
	return true, s.states.keep(ctx, i, g)
}

// usualBoot is how long a cloud image boots on a KVM host.
const usualBoot = 15 * time.Second

// stretched makes limits longer on a host that proved slower than its
// accelerator says. It never shortens them.
func stretched(scale float64, boot time.Duration) float64 {
	return max(scale, float64(boot)/float64(usualBoot))
}

func (s *session) lastBoot() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.run.Boots) == 0 {
		return 0
	}
	return s.run.Boots[len(s.run.Boots)-1].ToReady
}

// readFacts fills in the image's identity as the guest tells it.
func (s *session) readFacts(ctx context.Context, i *instance, g *guest.SSH) error {
	f, err := guest.ReadFacts(ctx, g)
	if err != nil {
		return err
	}
	id, err := guest.ReadIdentity(ctx, g, i.env.HostKey)
	if err != nil {
		return fmt.Errorf("cannot read what identifies the guest: %w", err)
	}
	s.states.first = &id
	found, err := host.Detect(ctx, g)
	if err != nil {
		return fmt.Errorf("cannot find out which tools manage the guest: %w", err)
	}
	s.tools = toolsOf(found)
	if f.OSTreeVersion == "" || f.OSTreeCommit == "" {
		version, digest, err := imageIdentity(ctx, found)
		if err != nil {
			return fmt.Errorf("cannot read the version of the guest's image: %w", err)
		}
		f.OSTreeVersion, f.ImageDigest = cmp.Or(f.OSTreeVersion, version), cmp.Or(f.ImageDigest, digest)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.run.Image
	m.OS, m.OSID, m.OSVersion, m.Kernel = f.OS, f.OSID, f.OSVersion, f.Kernel
	m.OSTreeCommit, m.OSTreeVersion, m.OSTreeRef = f.OSTreeCommit, f.OSTreeVersion, f.OSTreeRef
	s.imageDigest = f.ImageDigest
	if m.Arch == "" {
		m.Arch = f.Arch
	}
	return nil
}

// imageIdentity is the version of the container image that the host was deployed
// from, a label of which its commit tells nothing, and its digest, which a host
// without ostree (bootc's composefs backend) tells nowhere else; empty where they
// are not known. An error is the infrastructure's.
func imageIdentity(ctx context.Context, found host.Found) (version, digest string, err error) {
	d, ok := found.Driver(host.Bootc)
	if !ok {
		return "", "", nil
	}
	booted, err := bootedOf(ctx, d)
	var never *noStateError
	switch {
	case errors.As(err, &never): // the checks of the tool say what is wrong with it
		return "", "", nil
	case err != nil:
		return "", "", err
	case booted.Image == nil:
		return "", "", nil
	}
	return booted.Version, booted.Image.Digest, nil
}

// tools are the host tools that the image ships.
type tools struct{ names []host.Tool }

func toolsOf(f host.Found) *tools {
	t := &tools{}
	for _, d := range f.Drivers {
		t.names = append(t.names, d.Tool())
	}
	for _, c := range f.Containers {
		t.names = append(t.names, c.Tool())
	}
	return t
}
