package guest

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// SetClock sets the guest's clock. A saved guest's clock stands still, and
// certificates, timers and the journal's order suffer from it.
func SetClock(ctx context.Context, g Guest, now time.Time) error {
	at := "@" + strconv.FormatInt(now.Unix(), 10)
	if _, err := Output(ctx, g, "date", "-s", at); err != nil {
		return fmt.Errorf("cannot set the clock of guest %s: %w", g.Name(), err)
	}
	return nil
}
