package release

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

type patient time.Duration

func (patient) Error() string               { return "not so fast" }
func (p patient) RetryAfter() time.Duration { return time.Duration(p) }

func TestBackoffAfter(t *testing.T) {
	for _, c := range []struct {
		err     error
		attempt int
		want    time.Duration
	}{
		{errors.New("x"), 1, time.Minute},
		{errors.New("x"), 100, time.Hour},
		{fmt.Errorf("x: %w", ErrPermanent), 1, time.Hour},
		{fmt.Errorf("x: %w", patient(0)), 2, 2 * time.Minute},
		{fmt.Errorf("x: %w", patient(time.Second)), 2, 2 * time.Minute},
		{fmt.Errorf("x: %w", patient(3*time.Hour)), 1, 3 * time.Hour},
		{fmt.Errorf("x: %w", patient(1000*time.Hour)), 1, 24 * time.Hour},
		{patient(-time.Hour), 1, time.Minute},
	} {
		if got := BackoffAfter(c.err, c.attempt); got != c.want {
			t.Errorf("%v, attempt %d: %s, want %s", c.err, c.attempt, got, c.want)
		}
	}
}
