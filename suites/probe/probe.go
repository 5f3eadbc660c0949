// Package probe is how the checks of all suites ask a guest: a constant shell
// script with its values as arguments, and a missing program turned into a
// skip instead of a verdict.
//
// It never judges, and needs nothing but a guest with a POSIX shell.
package probe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
)

// Missing is the exit status that says that the program a question needs is
// not there. It is the shell's own status for a command it does not find.
const Missing = 127

// Run runs script in the guest's shell with args as $1, $2, ...; limit is that
// of a guest.Command.
func Run(ctx context.Context, g guest.Guest, limit time.Duration, script string, args ...string) (guest.Result, error) {
	return g.Run(ctx, guest.Command{Args: append([]string{"sh", "-c", script, "sh"}, args...), Limit: limit})
}

// Output is what script prints. A script that exits with Missing is a skip
// that names program; any other non-zero exit is a *guest.CommandError.
func Output(ctx context.Context, g guest.Guest, program, script string, args ...string) (string, error) {
	return OutputWithin(ctx, g, 0, program, script, args...)
}

// OutputWithin is Output with a limit as in guest.Command.
func OutputWithin(ctx context.Context, g guest.Guest, limit time.Duration, program, script string, args ...string) (string, error) {
	r, err := Run(ctx, g, limit, script, args...)
	if err != nil {
		return "", err
	}
	if r.Exit == Missing {
		return "", NotShipped(program)
	}
	if !r.OK() {
		return "", &guest.CommandError{Args: []string{program}, Result: r}
	}
	return r.Stdout, nil
}

// NotShipped is the skip for a program that the image lacks.
func NotShipped(program string) error { return check.Skipf("the image ships no %s", program) }

// Lines are the non-empty lines of s, without surrounding white space.
func Lines(s string) []string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// Pairs reads lines of key=value. Other lines are ignored; the last of a key counts.
func Pairs(s string) map[string]string {
	out := map[string]string{}
	for _, l := range strings.Split(s, "\n") {
		if k, v, ok := strings.Cut(l, "="); ok {
			out[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return out
}

// Some names the first few of a list: "a, b and 3 more".
func Some(list []string) string {
	const few = 3
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}

// Clip bounds a text that goes into a message or details, and says so.
func Clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + fmt.Sprintf("\n... (%d bytes in all)", len(s))
}

// lineLimit is what a message holds of somebody else's words.
const lineLimit = 300

// OneLine fits what a program said into a sentence.
func OneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > lineLimit {
		s = strings.ToValidUTF8(s[:lineLimit], "") + "..."
	}
	return s
}

// JournalTail is the end of what a unit said in this boot, as evidence. It is
// empty when the journal cannot be read: evidence is never a reason to fail.
func JournalTail(ctx context.Context, g guest.Guest, unit string, lines int) string {
	entries, err := g.Journal(ctx, guest.JournalQuery{Unit: unit, Limit: lines})
	if err != nil {
		return ""
	}
	return Entries(entries)
}

// Entries renders journal entries as journalctl does, one a line.
func Entries(entries []guest.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s", e.Time.UTC().Format("15:04:05"), e.Ident)
		if e.PID > 0 {
			fmt.Fprintf(&b, "[%d]", e.PID)
		}
		fmt.Fprintf(&b, ": %s\n", e.Message)
	}
	return b.String()
}

// Search returns the journal entries that match q and re. journalctl filters
// in the guest where it can; old ones, and those built without PCRE2, send the
// whole boot.
func Search(ctx context.Context, g guest.Guest, q guest.JournalQuery, re *regexp.Regexp) ([]guest.Entry, error) {
	q.Grep = re.String()
	entries, err := g.Journal(ctx, q)
	var ce *guest.CommandError
	if errors.As(err, &ce) && cannotGrep.MatchString(ce.Result.Stderr) {
		q.Grep = ""
		entries, err = g.Journal(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	var out []guest.Entry
	for _, e := range entries {
		// sudo logs our own question, expression and all.
		if re.MatchString(e.Message) && e.Ident != "sudo" {
			out = append(out, e)
		}
	}
	return out, nil
}

var cannotGrep = regexp.MustCompile(`--grep|pattern matching|PCRE`)
