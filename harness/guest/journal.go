package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNoJournal means that the guest keeps no journal of the boot asked for.
var ErrNoJournal = errors.New("the guest has no journal of that boot")

// Limits of what is read of a journal. An entry is under a kilobyte mostly,
// with core dumps in their own files.
const (
	journalBytes    = 64 << 20
	journalLimit    = time.Minute
	defaultPriority = 6
)

// Journal reads the journal with journalctl; see Guest. A boot without a
// journal is ErrNoJournal.
func (s *SSH) Journal(ctx context.Context, q JournalQuery) ([]Entry, error) {
	r, err := s.Run(ctx, Command{Args: journalArgs(q), Limit: journalLimit, MaxOutput: journalBytes})
	if err != nil {
		return nil, err
	}
	if r.Truncated {
		return nil, &TooLargeError{Path: "the journal", Limit: journalBytes}
	}
	// Without a match journalctl may exit 1 and say nothing.
	if !r.OK() && (r.Exit != 1 || strings.TrimSpace(r.Stderr) != "") {
		if noJournal(r.Stderr) {
			return nil, fmt.Errorf("%w (%d): %s", ErrNoJournal, q.Boot, r.Said())
		}
		return nil, &CommandError{Args: journalArgs(q), Result: r}
	}
	entries, err := ParseJournal(strings.NewReader(r.Stdout))
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal of guest %s: %w", s.cfg.Name, err)
	}
	slices.Reverse(entries)
	return entries, nil
}

// noJournal knows what journalctl says when the boot is not there.
func noJournal(stderr string) bool {
	for _, say := range []string{"No journal boot entry found", "no persistent journal was found",
		"No such boot ID", "Data from the specified boot", "No journal files were found"} {
		if strings.Contains(stderr, say) {
			return true
		}
	}
	return false
}

// journalArgs asks for the newest first, always: with an expression journalctl
// would turn the order around by itself, without one it would not.
func journalArgs(q JournalQuery) []string {
	limit := q.Limit
	if limit == 0 {
		limit = DefaultJournalLimit
	}
	args := []string{"journalctl", "--output=json", "--all", "--quiet", "--no-pager", "--reverse",
		"--boot=" + strconv.Itoa(q.Boot), "--lines=" + strconv.Itoa(limit)}
	if q.Unit != "" {
		args = append(args, "--unit="+q.Unit)
	}
	if q.MaxPriority != "" {
		args = append(args, "--priority="+q.MaxPriority)
	}
	if q.Grep != "" {
		args = append(args, "--grep="+q.Grep)
	}
	if q.Transport != "" {
		args = append(args, "_TRANSPORT="+q.Transport)
	}
	return args
}

// ParseJournal reads the objects that `journalctl -o json` (or json-pretty)
// writes, in their order. A field is a text, null (too large to be shown), an
// array of bytes (no valid text) or an array of those (several values); see
// "Journal JSON Format" in systemd's docs. What is no text becomes text, with
// U+FFFD for each bad byte; several values are joined by line breaks; null is
// left out. A missing priority is 6 (info).
//
// The entries before an error are returned with it.
func ParseJournal(r io.Reader) ([]Entry, error) {
	var out []Entry
	dec := json.NewDecoder(r)
	for {
		var fields map[string]json.RawMessage
		err := dec.Decode(&fields)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("cannot parse journal entry %d: %w", len(out)+1, err)
		}
		if fields == nil {
			return out, fmt.Errorf("cannot parse journal entry %d: it is no object", len(out)+1)
		}
		e, err := newEntry(fields)
		if err != nil {
			return out, fmt.Errorf("cannot parse journal entry %d: %w", len(out)+1, err)
		}
		out = append(out, e)
	}
}

func newEntry(raw map[string]json.RawMessage) (Entry, error) {
	f := make(map[string]string, len(raw))
	for k, v := range raw {
		text, ok, err := journalText(v, 0)
		if err != nil {
			return Entry{}, fmt.Errorf("field %.64q: %w", k, err)
		}
		if ok {
			f[k] = text
		}
	}
	e := Entry{
		BootID: withDashes(f["_BOOT_ID"]), Unit: journalUnit(f), Ident: f["SYSLOG_IDENTIFIER"], Priority: defaultPriority,
		Transport: f["_TRANSPORT"], Message: f["MESSAGE"], MessageID: f["MESSAGE_ID"], Fields: f,
	}
	if e.Ident == "" {
		e.Ident = f["_COMM"]
	}
	if us, err := strconv.ParseInt(f["__REALTIME_TIMESTAMP"], 10, 64); err == nil {
		e.Time = time.UnixMicro(us)
	}
	for _, k := range []string{"_PID", "SYSLOG_PID"} {
		if pid, err := strconv.Atoi(f[k]); err == nil {
			e.PID = pid
			break
		}
	}
	if p, err := strconv.Atoi(f["PRIORITY"]); err == nil && p >= 0 && p <= 7 {
		e.Priority = p
	}
	return e, nil
}

// journalUnit is the unit that an entry is about. What the manager (pid 1)
// writes of a unit names it in UNIT.
func journalUnit(f map[string]string) string {
	own := f["_SYSTEMD_UNIT"]
	if about := f["UNIT"]; about != "" && (own == "" || own == "init.scope") {
		return about
	}
	return own
}

// journalText reads one value; ok is false for null. Arrays nest once.
func journalText(v json.RawMessage, depth int) (text string, ok bool, err error) {
	v = bytes.TrimSpace(v)
	switch {
	case bytes.Equal(v, []byte("null")):
		return "", false, nil
	case len(v) > 0 && v[0] == '"':
		err = json.Unmarshal(v, &text)
		return text, true, err
	case len(v) == 0 || v[0] != '[' || depth > 1:
		return "", false, fmt.Errorf("%.40s is not what a journal field can be", v)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(v, &parts); err != nil {
		return "", false, err
	}
	if len(parts) > 0 && parts[0][0] != '"' && parts[0][0] != '[' && parts[0][0] != 'n' {
		raw := make([]byte, len(parts))
		for i, p := range parts {
			n, err := strconv.ParseUint(string(p), 10, 8)
			if err != nil {
				return "", false, fmt.Errorf("%.40s is no byte", p)
			}
			raw[i] = byte(n)
		}
		return strings.ToValidUTF8(string(raw), "\uFFFD"), true, nil
	}
	var texts []string
	for _, p := range parts {
		t, ok, err := journalText(p, depth+1)
		if err != nil {
			return "", false, err
		}
		if ok {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, "\n"), len(texts) > 0, nil
}

// withDashes writes a 128-bit id as /proc does; what is none stays as it is.
func withDashes(id string) string {
	if len(id) != 32 {
		return id
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
