package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"assay/release"
)

// Options say how far to run and whom to tell.
type Options struct {
	// Dir has the configuration and everything that the stage keeps.
	Dir string
	// From is the first moment to live through, 0 at first. A run that was
	// killed is followed by one from the moment that was not Done.
	From int
	// Until is the first that is left out; 0 is none.
	Until int
	// Grace is tracker.Options.Grace: how long a tracker takes to do what a
	// process asked for that was killed.
	Grace time.Duration
	// Morning comes before each day, Evening when it is over; both may be nil. An
	// error ends the run.
	Morning func(context.Context, Day) error
	Evening func(context.Context, Day, Account) error
	// Done is told of each moment that is over; nil tells nobody.
	Done func(moment int)
	// Wrap is put around the history; nil leaves it.
	Wrap func(release.Log) release.Log
	// Tell is told of what happens, a line each; nil is silence.
	Tell func(format string, args ...any)
}

// Account is what the stage itself says of a day.
type Account struct {
	// Events is how far the history has come.
	Events uint64
	// Main and Stable are why a release was made this day, or why none is made
	// now.
	Main, Stable string
}

// moment is a time of a day at which something happens.
type moment struct {
	day Day
	at  time.Time
	do  func(context.Context, *stage) error
	// last is the moment that ends a day.
	last bool
}

// moments are the ten weeks, each day the same: the compose comes at night, tests
// are answered by the morning, people speak when they do, the date is at 14:00.
func moments() (out []moment) {
	for i, d := range Weeks {
		add := func(clock string, do func(context.Context, *stage) error) {
			out = append(out, moment{day: d, at: d.at(clock), do: do})
		}
		work := func(ctx context.Context, s *stage) error { return s.work(ctx) }
		nothing := func(context.Context, *stage) error { return nil }
		add("03:00", func(ctx context.Context, s *stage) error {
			// What came while the service slept comes first.
			first := i
			for first > 0 && Weeks[first-1].Asleep {
				first--
			}
			for _, night := range Weeks[first : i+1] {
				if err := s.deliver(ctx, night); err != nil {
					return err
				}
			}
			return nil
		})
		add("05:00", work)
		add("06:00", work) // second attempts
		add("08:01", nothing)
		words := func(from, until string) {
			for _, w := range d.Says {
				if w.At >= from && w.At < until {
					add(w.At, func(ctx context.Context, s *stage) error { return s.say(ctx, w) })
				}
			}
		}
		words("08:02", "14:01")
		add("14:01", nothing)
		words("14:02", "15:00")
		if d.Signed.Kind != Quiet {
			add("15:00", func(ctx context.Context, s *stage) error { return s.sign(ctx, d) })
			add("16:00", work)
		}
		words("16:01", "20:00")
		add("20:00", func(ctx context.Context, s *stage) error { return s.observe(ctx) })
		// What failed at the last moment is tried again within the day.
		add("22:00", nothing)
		add("23:30", nothing)
		out[len(out)-1].last = true
	}
	return out
}

// Moments is how many moments there are up to the end of a day ("4 Wed").
func Moments(day string) int {
	n := 0
	for i, m := range moments() {
		if m.day.Is == day {
			n = i + 1
		}
	}
	return n
}

// Run lives through the ten weeks, or what From leaves of them. Whatever it was
// doing when it was killed, the next Run does once.
func Run(ctx context.Context, o Options) (err error) {
	if o.Tell == nil {
		o.Tell = func(string, ...any) {}
	}
	var s *stage
	defer func() {
		if s != nil {
			err = errors.Join(err, s.close())
		}
	}()
	all := moments()
	if o.Until == 0 {
		o.Until = len(all)
	}
	for i := o.From; i < min(o.Until, len(all)); i++ {
		m := all[i]
		fail := func(err error) error {
			return fmt.Errorf("week %s, %s: %w", m.day.Is, m.at.Format("15:04"), err)
		}
		if m.at.Equal(m.day.at("03:00")) && o.Morning != nil {
			if err := o.Morning(ctx, m.day); err != nil {
				return fail(err)
			}
		}
		if m.day.Asleep && s != nil {
			if err := s.close(); err != nil {
				return fail(err)
			}
			s = nil
		}
		if !m.day.Asleep {
			if s == nil {
				if s, err = open(ctx, o, m.at); err != nil {
					return fail(err)
				}
			}
			if err := s.live(ctx, m); err != nil {
				return fail(err)
			}
		}
		if m.last && o.Evening != nil {
			a, err := s.account(ctx, m)
			if err == nil {
				err = o.Evening(ctx, m.day, a)
			}
			if err != nil {
				return fail(err)
			}
		}
		if o.Done != nil {
			o.Done(i)
		}
	}
	return nil
}
