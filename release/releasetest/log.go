// Package releasetest is a kit for tests of the release stage: a history in
// memory, a builder of histories in the words of the field, and adapters that
// can be told to fail.
package releasetest

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"assay/release"
)

// Log is a release.Log in memory. Its zero value is an empty history.
type Log struct {
	mu    sync.Mutex
	raw   [][]byte
	moved chan struct{}
	// Bad are findings to report.
	Bad []release.Finding
}

var _ release.Log = (*Log)(nil)

// Append implements release.Log.
func (l *Log) Append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return head, err
	}
	if now := l.head(); head != now {
		return now, fmt.Errorf("cannot append %s after event %d: %w", e.Type, head.Seq, release.ErrMoved)
	}
	raw, err := release.Encode(head, e)
	if err != nil {
		return head, err
	}
	l.raw = append(l.raw, raw)
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
	return l.head(), nil
}

func (l *Log) head() release.Head {
	n := len(l.raw)
	if n == 0 {
		return release.Head{}
	}
	return release.Head{Seq: uint64(n), Hash: release.HashOf(l.raw[n-1])}
}

// Read implements release.Log.
func (l *Log) Read(ctx context.Context, after uint64) iter.Seq2[release.Record, error] {
	l.mu.Lock()
	raw := l.raw[min(after, uint64(len(l.raw))):]
	l.mu.Unlock()
	return func(yield func(release.Record, error) bool) {
		for i, r := range raw {
			if !yield(release.Record{Seq: after + uint64(i) + 1, Raw: r}, ctx.Err()) || ctx.Err() != nil {
				return
			}
		}
	}
}

// Wait implements release.Log.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	l.mu.Lock()
	if uint64(len(l.raw)) > seq {
		l.mu.Unlock()
		return nil
	}
	if l.moved == nil {
		l.moved = make(chan struct{})
	}
	moved := l.moved
	l.mu.Unlock()
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Findings implements release.Log.
func (l *Log) Findings() []release.Finding { return l.Bad }

// Records returns a copy of all that is stored, for tests that damage it.
func (l *Log) Records() []release.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]release.Record, len(l.raw))
	for i, r := range l.raw {
		out[i] = release.Record{Seq: uint64(i) + 1, Raw: append([]byte(nil), r...)}
	}
	return out
}
