package history

import (
	"context"
	"errors"
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
	return reportOf(s), nil
}

func reportOf(s *release.State) Report {
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
	return r
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
