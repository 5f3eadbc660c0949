package console

import (
	"strings"
	"time"
)

// Finding is one thing that the console showed.
type Finding struct {
	Kind Kind
	// Fatal says that the boot cannot go on: there is nothing left to wait for.
	Fatal bool
	// Line is the telling line alone.
	Line string
	// Lines show it: up to two lines before, the line itself, and what followed
	// that belongs to it (a call trace). A finding that was just delivered to a
	// subscriber has none of those that follow yet; Findings has them as they come.
	Lines []string
	// At is when the byte arrived that completed the recognition.
	At time.Time
	// Offset is where the telling line starts, in bytes from the first byte.
	Offset int64
	// Stamp is the guest's own kernel time of the line in seconds, -1 if it has none.
	Stamp float64
}

// Bounds on what a hostile guest can make us keep.
const (
	maxPerKind  = 64
	maxFindings = 1024
	linesBefore = 2
	maxShown    = 400 // bytes of one line in a finding or a tail
)

// open is a finding whose following lines are still awaited.
type open struct {
	index int
	left  int
	// own is true until the telling line, recognised before its end, has ended.
	own bool
}

// shown makes a line fit to be shown: valid UTF-8 and not endless.
func shown(line []byte) string {
	s := string(line)
	if len(s) > maxShown {
		s = s[:maxShown] + "..."
	}
	return strings.TrimRight(strings.ToValidUTF8(s, "\uFFFD"), " \t")
}
