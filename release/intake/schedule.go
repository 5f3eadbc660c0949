package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"assay/release"
)

// ScheduleConfig is a compose command that is run each day, as YAML has it. Its
// name is the machine that is recorded where the command fails; what it makes, the
// folder's announces.
type ScheduleConfig struct {
	Stream release.Stream `yaml:"stream"`
	// At is a time of day, as "01:30", in Zone (UTC when empty).
	At   string `yaml:"at"`
	Zone string `yaml:"zone"`
	// Packages is a command that prints the packages a compose would have now, one a
	// line; where they are those of the last compose, there is none. May be left out.
	Packages []string `yaml:"packages"`
	// Command makes the images and BuildFile in its working folder, which is new,
	// and is $ASSAY_COMPOSE_DIR, too. $ASSAY_COMPOSE is the compose's name. No shell
	// is in between. It has no more of the service's environment than passedOn.
	Command []string `yaml:"command"`
	// Timeout bounds each command; six hours when 0.
	Timeout time.Duration `yaml:"timeout"`
	// Into is a folder that is under folders; Work one that lasts, for what was run
	// last and the output of commands. Both absolute.
	Into string `yaml:"into"`
	Work string `yaml:"work"`

	hour, minute int
	zone         *time.Location
}

// Schedule runs a compose command. It is for one goroutine.
type Schedule struct {
	in     *Intake
	config ScheduleConfig
	now    func() time.Time
	memory memory
	// next is when to try again after an error, pause how long that was put off.
	next  time.Time
	pause time.Duration
}

// NewSchedule checks the configuration of the schedule called name. It runs
// nothing.
func NewSchedule(name string, c ScheduleConfig, now func() time.Time, o Options) (*Schedule, error) {
	in, err := newRecorder(name, c.Stream, o)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run composes for %.40q: %w", name, err)
	}
	return &Schedule{in: in, config: c, now: now, memory: memory{dir: c.Work}}, nil
}

func (c *ScheduleConfig) check() error {
	at, err := time.Parse("15:04", c.At)
	if err != nil {
		return fmt.Errorf("at %.20q: want a time of day, as 01:30", c.At)
	}
	c.hour, c.minute = at.Hour(), at.Minute()
	if c.zone, err = time.LoadLocation(cmp.Or(c.Zone, "UTC")); err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	c.Timeout = cmp.Or(c.Timeout, 6*time.Hour)
	switch {
	case len(c.Command) == 0 || c.Command[0] == "" || c.Packages != nil && (len(c.Packages) == 0 || c.Packages[0] == ""):
		return errors.New("command: want a program and its arguments, as [/usr/bin/make-images, --nightly]")
	case c.Timeout < 0 || c.Timeout > 23*time.Hour:
		return fmt.Errorf("timeout: want a duration of less than a day, not %s", c.Timeout)
	}
	for what, dir := range map[string]string{"into": c.Into, "work": c.Work} {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("%s %.200q: want an absolute path", what, dir)
		}
	}
	return nil
}

// IsThere refuses a schedule whose folders are not there.
func (s *Schedule) IsThere() error {
	return errors.Join(isFolder("into", s.config.Into), isFolder("work", s.config.Work))
}

// Run does what is due until ctx ends.
func (s *Schedule) Run(ctx context.Context) {
	every(ctx, 30*time.Second, func() {
		if err := s.Poll(ctx); err != nil && ctx.Err() == nil {
			s.in.o.Tell("%s: %v", s.in.name, err)
		}
	})
}

// turn is the last day whose time has come.
func (s *Schedule) turn(now time.Time) time.Time {
	now = now.In(s.config.zone)
	t := time.Date(now.Year(), now.Month(), now.Day(), s.config.hour, s.config.minute, 0, 0, s.config.zone)
	if t.After(now) {
		t = time.Date(now.Year(), now.Month(), now.Day()-1, s.config.hour, s.config.minute, 0, 0, s.config.zone)
	}
	return t
}

// How long a schedule waits after an error: commands take hours, and what they
// leave may be why the disk is full.
const (
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// Poll runs the command if a day's time has come that has not had its turn: of
// several days that were slept through the last alone. The first time there is
// nothing to catch up with. A clock that is set back runs nothing twice; one that
// was days ahead and is right again is believed.
//
// After an error it does nothing for a while. A command that has ended is not run
// again, whatever else goes wrong.
func (s *Schedule) Poll(ctx context.Context) error {
	now := s.now()
	if wait := s.next.Sub(now); wait > 0 && wait <= lastRetry {
		return nil
	}
	err := s.poll(ctx, now)
	if err == nil || ctx.Err() != nil {
		s.pause, s.next = 0, time.Time{}
		return err
	}
	s.pause = min(max(2*s.pause, firstRetry), lastRetry)
	s.next = now.Add(s.pause)
	return err
}

func (s *Schedule) poll(ctx context.Context, now time.Time) error {
	// What failed is not lost, and keeps nothing from its turn.
	reported := s.report(ctx)
	last, err := s.memory.recall()
	if err != nil {
		return errors.Join(reported, fmt.Errorf("cannot see what was run last: %w", err))
	}
	turn := s.turn(now)
	day := dayOf(turn)
	switch {
	case last.Day == "" || last.Day > dayOf(turn.AddDate(0, 0, 2)):
		last.Day = day
		return errors.Join(reported, s.memory.keep(last))
	case last.Day >= day:
		return reported
	}
	// Commands hold the lock, too: one that outlives a service that was killed is
	// still at work.
	lock, err := os.OpenFile(filepath.Join(s.config.Work, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errors.Join(reported, err)
	}
	defer func() { _ = lock.Close() }()
	busy := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
	if last.Waits != "" && last.Waits < day {
		reported = errors.Join(reported, s.fail(ctx, last, last.Waits, errors.New("the command before had not ended when the next was due: see what it left behind")))
		if last, err = s.memory.recall(); err != nil {
			return errors.Join(reported, err)
		}
	}
	switch {
	case !busy:
		err = s.compose(ctx, lock, last, turn)
	case last.Waits != day:
		s.in.o.Tell("%s: the command before is still at work: %s waits for it", s.in.name, day)
		last.Waits = day
		err = s.memory.keep(last)
	}
	return errors.Join(reported, err)
}

func dayOf(t time.Time) string { return t.Format("20060102") }
