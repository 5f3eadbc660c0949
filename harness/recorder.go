package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"

	"assay/harness/guest"
	"assay/reports"
)

// recorder writes every command of a guest to a file and remembers the latest
// for the evidence of a failure.
type recorder struct {
	w  io.Writer
	mu sync.Mutex
	// recent is bounded by recentCommands.
	recent []guest.Record
}

// recentCommands is how many commands a failure can show. A check runs fewer
// than this; a loop that runs more is shown by its end.
const recentCommands = 40

func (r *recorder) record(rec guest.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent = append(r.recent, rec)
	if len(r.recent) > recentCommands {
		r.recent = r.recent[1:]
	}
	// A full disk must not fail a check; the parent notices the disk itself.
	_ = json.NewEncoder(r.w).Encode(rec)
}

// since renders the commands that began at or after t as a terminal would
// show them.
func (r *recorder) since(t time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, c := range r.recent {
		if c.Started.Before(t) {
			continue
		}
		fmt.Fprintf(&b, "$ %s\n", shellescape.QuoteCommand(c.Args))
		for _, s := range []string{c.Stdout, c.Stderr} {
			if s = strings.TrimRight(s, "\n"); s != "" {
				b.WriteString(s + "\n")
			}
		}
		fmt.Fprintf(&b, "[exit %d after %s]\n", c.Exit, c.Took.Round(time.Millisecond))
	}
	out := b.String()
	if len(out) > reports.ExcerptLimit {
		out = "...\n" + out[len(out)-reports.ExcerptLimit+4:]
	}
	return out
}
