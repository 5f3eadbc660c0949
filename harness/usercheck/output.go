package usercheck

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"assay/reports"
)

const (
	// outputLimit bounds the file with a check's output, in bytes.
	outputLimit = 8 << 20
	// tailLimit is how much of its end is kept at hand.
	tailLimit = reports.DetailsLimit
)

// output takes what a check prints as it comes: into a file, up to a limit, and
// the end of it into memory.
type output struct {
	mu   sync.Mutex
	file *os.File
	room int
	end  []byte
	from int // where in end the check's own words begin, after a note of ours
}

// openOutput adds to the file for that check's output in a folder.
func openOutput(folder string, id reports.CaseID) (*output, error) {
	f, err := os.OpenFile(filepath.Join(folder, OutputName(id)), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot keep the output of the check %s: %w", id, err)
	}
	return &output{file: f, room: outputLimit}, nil
}

// Write never fails: a full disk must not end a check.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end = append(o.end, p[max(0, len(p)-tailLimit):]...)
	over := max(0, len(o.end)-tailLimit)
	o.end, o.from = o.end[over:], max(0, o.from-over)
	if o.room > 0 {
		part := p[:min(len(p), o.room)]
		_, err := o.file.Write(part)
		o.room -= len(part)
		if err == nil && o.room == 0 {
			_, err = fmt.Fprintf(o.file, "\n... what is more than %d MiB is not kept\n", outputLimit>>20)
		}
		if err != nil {
			o.room = 0 // the tail is what is left
		}
	}
	return len(p), nil
}

// note adds a line of our own, after which a last line is looked for anew.
func (o *output) note(format string, args ...any) {
	fmt.Fprintf(o, "--- "+format+" ---\n", args...)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from = len(o.end)
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.end)
}

// traced is a command that a shell with "set -x" shows before it runs it.
var traced = regexp.MustCompile(`^\++ `)

// lastLine is the last line with anything in it that is not a shell's trace.
func (o *output) lastLine() string {
	o.mu.Lock()
	lines := strings.Split(string(o.end[o.from:]), "\n")
	o.mu.Unlock()
	for n := len(lines) - 1; n >= 0; n-- {
		if l := strings.TrimSpace(lines[n]); l != "" && !traced.MatchString(l) {
			return l
		}
	}
	return ""
}

func (o *output) close() { _ = o.file.Close() } // what counts was told already
