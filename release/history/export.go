package history

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"assay/release"
)

// end is the last line of an export. Without it, an export that was cut off
// between two events would look whole.
type end struct {
	// End has the number of events and the hash of the last.
	End release.Head `json:"end"`
}

// Events are written with "seq" first.
var endPrefix = []byte(`{"end":`)

// Export writes the events as they are stored, one per line, and a last line
// that says how many they are and what the last one's hash is. It ends with an
// error, and without that line, at an event that cannot be read.
func Export(ctx context.Context, log release.Log, w io.Writer) (n uint64, err error) {
	out := bufio.NewWriter(w)
	var last release.Head
	for r, err := range log.Read(ctx, 0) {
		if err == nil {
			err = r.Err
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "%s\n", r.Raw)
		}
		if err != nil {
			return n, errors.Join(fmt.Errorf("cannot export event %d: %w", r.Seq, err), out.Flush())
		}
		n++
		last = release.Head{Seq: n, Hash: release.HashOf(r.Raw)}
	}
	raw, err := json.Marshal(end{last})
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", raw)
	}
	return n, errors.Join(err, out.Flush())
}

// VerifyExport checks an export without importing it. An export that is cut off
// or damaged is an error that names the line; findings are what Verify would
// say of the history after an import.
func VerifyExport(r io.Reader) (Report, error) {
	s, err := readExport(r, func(release.Head, []byte) error { return nil })
	if err != nil {
		return Report{}, fmt.Errorf("cannot read export: %w", err)
	}
	return reportOf(s), nil
}

// readExport gives take each event and the head that it follows, and returns
// the history folded, once its last line has borne it out. The first line that
// does not continue the chain is an error.
func readExport(r io.Reader, take func(before release.Head, raw []byte) error) (*release.State, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), release.MaxEvent+2)
	lines.Split(scanLines)
	s, n, ended := release.NewState(), 0, false
	for lines.Scan() {
		n++
		if ended {
			return s, fmt.Errorf("line %d: something follows the end of the export", n)
		}
		if bytes.HasPrefix(lines.Bytes(), endPrefix) {
			if err := atEnd(lines.Bytes(), s.Head()); err != nil {
				return s, fmt.Errorf("line %d: %w", n, err)
			}
			ended = true
			continue
		}
		raw := append([]byte(nil), lines.Bytes()...)
		before := s.Head()
		s.Apply(release.Record{Seq: before.Seq + 1, Raw: raw})
		if f := lineFinding(s, before.Seq+1); f != "" {
			return s, fmt.Errorf("line %d: %s", n, f)
		}
		if err := take(before, raw); err != nil {
			return s, fmt.Errorf("line %d: %w", n, err)
		}
	}
	err := lines.Err()
	switch {
	case err != nil:
	case !ended:
		err = errors.New("the export is cut off: its last line, which says how many events there are, is missing")
	case s.Head().Seq == 0:
		err = errors.New("there is no event in the export")
	}
	if err != nil {
		return s, fmt.Errorf("line %d: %w", n+1, err)
	}
	return s, nil
}

// atEnd holds the last line against what was read.
func atEnd(line []byte, head release.Head) error {
	var e end
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || dec.More() {
		return fmt.Errorf("it begins as the end of an export and is none (%v)", err)
	}
	if e.End != head {
		return fmt.Errorf("the export ends after event %d (%s), and its last line speaks of event %d (%s): events are missing", head.Seq, head.Hash, e.End.Seq, e.End.Hash)
	}
	return nil
}

// lineFinding is what is wrong with the last line, apart from being of a later
// version, or from damage that a person acknowledged further down.
func lineFinding(s *release.State, seq uint64) string {
	for _, f := range s.AllFindings() {
		if f.Seq == seq && !isUnknown(f) {
			return f.Text
		}
	}
	return ""
}

func isUnknown(f release.Finding) bool { return len(f.Key) > 8 && f.Key[:8] == "unknown:" }

// scanLines is bufio.ScanLines, except that the last line needs its end and a
// carriage return is no part of one: what is imported is exported again as it
// was.
func scanLines(data []byte, atEOF bool) (int, []byte, error) {
	for i, c := range data {
		if c == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errors.New("the export is cut off in the middle of a line")
	}
	return 0, nil, nil
}
