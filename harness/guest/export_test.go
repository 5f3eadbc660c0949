package guest

import "time"

// SetRebootLimits shortens what a test would wait for.
func SetRebootLimits(s *SSH, down, up time.Duration) { s.downLimit, s.upLimit = down, up }
