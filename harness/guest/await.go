package guest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Stage is how far a guest has come on its way to readiness: what is being
// waited for.
type Stage string

// The stages, in order.
const (
	// StageNoAnswer waits for an SSH banner.
	StageNoAnswer Stage = "no answer"
	// StageBanner has a banner and exchanges keys.
	StageBanner Stage = "banner"
	// StageHostKey saw a wrong host key and waits for the right one.
	StageHostKey Stage = "host key"
	// StageLogin was refused and waits for the login to work.
	StageLogin Stage = "login"
	// StageNoLogin waits for /run/nologin to go.
	StageNoLogin Stage = "nologin"
	// StageBoot waits for the end of the boot's jobs.
	StageBoot Stage = "boot"
	// StageReady is the end.
	StageReady Stage = "ready"
)

var stageOrder = []Stage{StageNoAnswer, StageBanner, StageHostKey, StageLogin, StageNoLogin, StageBoot, StageReady}

func (s Stage) rank() int {
	for i, o := range stageOrder {
		if o == s {
			return i
		}
	}
	return -1
}

// Observation is one step forward.
type Observation struct {
	Stage Stage
	At    time.Time
	// Detail is the banner, the refusal, or the system's state.
	Detail string
}

// Observer gets each stage when it is first reached, from the waiting
// goroutine; nil is nobody.
type Observer func(Observation)

// Readiness says when each thing was first seen. Times that never came are zero.
type Readiness struct {
	Banner      time.Time // an SSH banner was read
	Login       time.Time // the login worked
	NoLoginGone time.Time // /run/nologin was absent
	BootDone    time.Time // no job of the boot was left
	// BannerText is the SSH server's version line.
	BannerText string
	// State is what `systemctl is-system-running` said: "running", "degraded", ...
	// Empty where there is no systemctl.
	State string
	// LoginTries counts attempts at authentication, the good one included.
	LoginTries int
}

// NotReadyError means that the wait ended before the guest was ready.
type NotReadyError struct {
	Guest string
	// Stage is the furthest one reached.
	Stage Stage
	// Last is the last error of that stage; nil when it was just waiting.
	Last error
	// Detail is what the guest was busy with, in StageBoot.
	Detail string
	// Banner is the SSH version line, when one was seen.
	Banner string
	// Waited is how long the wait took, Cause why it ended.
	Waited time.Duration
	Cause  error
	// Boots are the ids of the boots that let somebody in meanwhile, each once and
	// without that which the guest was to leave: with two the guest reboots by itself.
	Boots []string
}

func (e *NotReadyError) Error() string {
	what := map[Stage]string{
		StageNoAnswer: "no SSH server answered",
		StageBanner:   "an SSH server answered but exchanged no keys",
		StageHostKey:  "its SSH host key is not the seed's",
		StageLogin:    "it let nobody log in",
		StageNoLogin:  "it did not open for logins (/run/nologin stayed)",
		StageBoot:     "its boot did not finish",
	}[e.Stage]
	s := fmt.Sprintf("guest %s is not ready after %s: %s", e.Guest, e.Waited.Round(time.Second), what)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if len(e.Boots) > 1 {
		s += fmt.Sprintf(", and it rebooted by itself: %d boots were seen", len(e.Boots))
	}
	if e.Last != nil {
		s += ": " + e.Last.Error()
	}
	return s
}

// Unwrap gives the last error and why the wait ended.
func (e *NotReadyError) Unwrap() []error {
	var out []error
	for _, err := range []error{e.Last, e.Cause} {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// Await waits until the guest has booted: an SSH banner, the login, no
// /run/nologin, no boot job left. It takes as long as ctx allows; then the
// error is a *NotReadyError. A dial that fails is repeated after 50 to 200 ms,
// as there is no other event to learn of a listening port by; everything after
// it waits for the guest to act.
//
// The Readiness is filled as far as it came, also with an error.
func Await(ctx context.Context, cfg SSHConfig, obs Observer) (*SSH, Readiness, error) {
	s, err := newSSH(cfg)
	if err != nil {
		return nil, Readiness{}, err
	}
	leave, err := s.enter()
	if err != nil {
		return nil, Readiness{}, err
	}
	w := &wait{s: s, obs: obs}
	err = w.run(ctx)
	leave()
	if err != nil {
		_ = s.Close() // never fails
		return nil, w.ready, err
	}
	return s, w.ready, nil
}

// wait is one wait for readiness.
type wait struct {
	s     *SSH
	obs   Observer
	ready Readiness
	// notBoot is a boot id that does not count: that of the boot being left.
	notBoot string
	// boots are the ids of those that let us in.
	boots []string

	start time.Time
	stage Stage
	last  map[Stage]error
	// detail is the last state in StageBoot.
	detail  string
	penalty penalty
}

var errOldBoot = errors.New("the guest is still in the boot that it was told to leave")

// reach notes a stage; going back is not noted.
func (w *wait) reach(st Stage, detail string) {
	if w.stage.rank() >= st.rank() {
		return
	}
	w.stage = st
	if w.obs != nil {
		w.obs(Observation{Stage: st, At: time.Now(), Detail: detail})
	}
}

// failed notes why a stage was not passed.
func (w *wait) failed(st Stage, err error) {
	w.reach(st, err.Error())
	w.last[st] = err
}

// notReady is the error for a wait that is over.
func (w *wait) notReady(ctx context.Context) error {
	return &NotReadyError{Guest: w.s.cfg.Name, Stage: w.stage, Last: w.last[w.stage], Detail: w.detail,
		Banner: w.ready.BannerText, Waited: time.Since(w.start), Cause: ended(ctx), Boots: w.boots}
}

func (w *wait) run(ctx context.Context) error {
	w.start, w.last = time.Now(), map[Stage]error{}
	w.reach(StageNoAnswer, "")
	for {
		l, err := w.connect(ctx)
		if err != nil {
			return err
		}
		err = w.settle(ctx, l)
		if err == nil {
			return nil
		}
		l.close(err)
		if over(ctx) {
			<-ctx.Done()
			return w.notReady(ctx)
		}
		if errors.Is(err, errOldBoot) {
			// What the old boot answered says nothing of the new one.
			w.stage, w.ready = StageNoAnswer, Readiness{}
		}
		w.failed(w.stage, err)
		if err := w.pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// connect repeats attempts until one has logged in.
func (w *wait) connect(ctx context.Context) (*link, error) {
	delay := 50 * time.Millisecond
	for {
		banner, c, err := w.s.dialBanner(ctx)
		if err != nil {
			if !over(ctx) || w.last[StageNoAnswer] == nil {
				w.last[StageNoAnswer] = err
			}
			if err := w.pause(ctx, delay); err != nil {
				return nil, err
			}
			delay = min(2*delay, 200*time.Millisecond)
			continue
		}
		if w.ready.Banner.IsZero() {
			w.ready.Banner, w.ready.BannerText = time.Now(), banner
		}
		w.reach(StageBanner, banner)
		l, err := w.s.login(ctx, c)
		if err == nil {
			w.ready.LoginTries++
			return l, nil
		}
		if !over(ctx) {
			w.refused(err)
		}
		if err := w.pause(ctx, w.penalty.wait(time.Now(), err)); err != nil {
			return nil, err
		}
	}
}

// over reports that ctx has ended, or is about to: a dialer that knows the
// deadline may be a moment quicker. Such an error says nothing of the guest.
func over(ctx context.Context) bool {
	d, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(d) <= 0
}

func (w *wait) refused(err error) {
	var hk *HostKeyError
	var auth *AuthError
	switch {
	case errors.As(err, &hk):
		w.failed(StageHostKey, err)
	case errors.As(err, &auth):
		w.ready.LoginTries++
		if auth.noLogin() {
			w.failed(StageNoLogin, err)
		} else {
			w.failed(StageLogin, err)
		}
	default:
		w.failed(StageBanner, err)
	}
}

// pause waits for d, or ends the whole wait with ctx.
func (w *wait) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return w.notReady(ctx)
	case <-w.s.base.Done():
		return w.notReady(w.s.base)
	case <-t.C:
		return nil
	}
}

// settle waits, logged in, for the end of the boot.
func (w *wait) settle(ctx context.Context, l *link) error {
	s := w.s
	r, err := s.raw(ctx, l, "cat /proc/sys/kernel/random/boot_id", s.scaled(DefaultLimit))
	if err != nil {
		return err
	}
	id := bootIDOf(r)
	switch {
	case w.notBoot == "":
	case id == w.notBoot:
		return errOldBoot
	case id == "": // it may be the old boot, which kills what runs in it
		return fmt.Errorf("the guest does not tell its boot id: %s", r.Said())
	}
	if id != "" && !slices.Contains(w.boots, id) {
		w.boots = append(w.boots, id)
	}
	if w.ready.Login.IsZero() {
		w.ready.Login = time.Now()
	}
	w.reach(StageNoLogin, "")
	// Looking is cheap inside the guest, and needs no command per look.
	if _, err = s.raw(ctx, l, "while [ -e /run/nologin ]; do sleep 0.2 || sleep 1; done", endless); err != nil {
		return err
	}
	if w.ready.NoLoginGone.IsZero() {
		w.ready.NoLoginGone = time.Now()
	}
	w.reach(StageBoot, "")
	if err := w.bootDone(ctx, l); err != nil {
		return err
	}
	w.ready.BootDone = time.Now()
	s.adopt(l, id)
	w.reach(StageReady, w.ready.State)
	return nil
}

// endless is the limit of commands that only ctx ends.
const endless = time.Duration(math.MaxInt64)

// bootDone waits for the system manager to have no job of the boot left.
func (w *wait) bootDone(ctx context.Context, l *link) error {
	s := w.s
	for {
		r, err := s.raw(ctx, l, stateScript, endless)
		if err != nil {
			w.detail = s.openJobs(ctx, l)
			return err
		}
		if r.Exit == 127 {
			return nil
		}
		w.ready.State = r.Line()
		// Before systemd 240 --wait does not wait, before 232 it is not known, and
		// without a bus there is no answer.
		if st := w.ready.State; st != "" && st != "initializing" && st != "starting" && st != "unknown" && st != "offline" {
			return nil
		}
		w.detail = "state " + w.ready.State + " " + strings.TrimSpace(r.Stderr)
		if err := w.pause(ctx, time.Second); err != nil {
			if jobs := s.openJobs(ctx, l); jobs != "" {
				w.detail = jobs
				return w.notReady(ctx)
			}
			return err
		}
	}
}

// stateScript prints the system manager's state, once it has none of the boot.
const stateScript = `[ -d /run/systemd/system ] || exit 127
s=$(systemctl is-system-running --wait 2>/dev/null); [ -n "$s" ] || s=$(systemctl is-system-running); echo "$s"`

// openJobs says what a boot that does not finish is waiting for. ctx is over
// by then, so it has a short one of its own.
func (s *SSH) openJobs(ctx context.Context, l *link) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second+s.scaled(time.Second))
	defer cancel()
	r, err := s.raw(ctx, l, "systemctl list-jobs --no-legend --no-pager", endless)
	if err != nil || r.Line() == "" {
		return ""
	}
	var jobs []string
	for _, line := range strings.Split(r.Line(), "\n") {
		// JOB UNIT TYPE STATE; those that wait only wait for those that run.
		if f := strings.Fields(line); len(f) == 4 && f[3] == "running" && len(jobs) < 5 {
			jobs = append(jobs, f[1])
		}
	}
	return "still starting: " + strings.Join(jobs, ", ")
}

// penalty keeps login attempts below what makes OpenSSH 9.8 and later shut
// out the caller (PerSourcePenalties): every failed authentication counts 5
// seconds, a connection without one 1 second, and from 15 seconds on nothing
// from that address is answered until the sum has run down.
type penalty struct {
	level float64
	at    time.Time
}

// wait notes a failed attempt and says how long to wait before the next one.
func (p *penalty) wait(now time.Time, err error) time.Duration {
	const ceiling, refusal, visit = 14, 5, 1
	if !p.at.IsZero() {
		p.level = max(0, p.level-now.Sub(p.at).Seconds())
	}
	p.at = now
	var auth *AuthError
	if errors.As(err, &auth) {
		p.level += refusal
	} else {
		p.level += visit
	}
	return max(time.Second, time.Duration((p.level+refusal-ceiling)*float64(time.Second)))
}

// adopt makes l the guest's connection, of the boot with that id.
func (s *SSH) adopt(l *link, id string) {
	s.mu.Lock()
	old := s.link
	s.link, s.bootID, s.lost = l, id, nil
	s.mu.Unlock()
	if old != nil && old != l {
		old.close(errors.New("the connection was replaced"))
	}
}
