package history

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"assay/release"
)

// Report is what Verify found.
type Report struct {
	Events   uint64            `json:"events"`
	Head     release.Head      `json:"head"`
	Streams  []release.Stream  `json:"streams"`
	Findings []release.Finding `json:"findings,omitempty"`
	// Acknowledged are findings that a person has looked at.
	Acknowledged []release.Finding `json:"acknowledged,omitempty"`
}

// Verify reads all of a history and checks it.
func Verify(ctx context.Context, log release.Log) (Report, error) {
	s, err := release.Load(ctx, log)
	if err != nil {
		return Report{}, err
	}
	r := Report{Events: s.Head().Seq, Head: s.Head(), Streams: s.Streams(), Findings: s.Findings()}
	open := map[string]bool{}
	for _, f := range r.Findings {
		open[f.Key] = true
	}
	for _, f := range s.AllFindings() {
		if !open[f.Key] {
			r.Acknowledged = append(r.Acknowledged, f)
		}
	}
	return r, nil
}

// Export writes the events as they are stored, one per line. It ends with an
// error at one that cannot be read; what was written before stays valid.
func Export(ctx context.Context, log release.Log, w io.Writer) (n uint64, err error) {
	out := bufio.NewWriter(w)
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
	}
	return n, out.Flush()
}

// Import fills an empty history with the lines of an export, byte for byte;
// events of types that this program does not know are kept as they are. The
// export is checked while it is read: the first line that does not continue the
// chain ends the import, with what came before it imported.
func (h *History) Import(ctx context.Context, r io.Reader) (n uint64, err error) {
	if last, err := h.last(ctx); err != nil || last > 0 {
		return 0, errors.Join(err, fmt.Errorf("cannot import into a history with %d events: use an empty folder", last))
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), release.MaxEvent+2)
	lines.Split(scanLines)
	s := release.NewState()
	for lines.Scan() {
		raw := append([]byte(nil), lines.Bytes()...)
		before := s.Head()
		s.Apply(release.Record{Seq: before.Seq + 1, Raw: raw})
		if f := lineFinding(s, before.Seq+1); f != "" {
			return n, fmt.Errorf("cannot import line %d: %s", n+1, f)
		}
		// Without an id: whether one is repeated is the history's own matter.
		if err := h.publish(ctx, before, raw, ""); err != nil {
			return n, fmt.Errorf("cannot import line %d: %w", n+1, err)
		}
		n++
	}
	if err := lines.Err(); err != nil {
		return n, fmt.Errorf("cannot import line %d: %w", n+1, err)
	}
	return n, h.advance(s.Head(), release.Event{})
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
		return 0, nil, errors.New("the export is cut off in the middle of an event")
	}
	return 0, nil, nil
}

// Acknowledge records a person's word that the findings were looked at.
func Acknowledge(ctx context.Context, log release.Log, by release.Actor, reason string, now time.Time) ([]release.Finding, error) {
	s, err := release.Load(ctx, log)
	if err != nil {
		return nil, err
	}
	var seen []release.Finding
	err = s.Update(ctx, log, func(s *release.State) ([]release.Event, error) {
		if seen = s.Findings(); len(seen) == 0 {
			return nil, errors.New("nothing is wrong with the history")
		}
		e, err := release.NewEvent("", now, by, &release.HistoryAcknowledged{Findings: seen, Reason: reason})
		return []release.Event{e}, err
	})
	return seen, err
}
