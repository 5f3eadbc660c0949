package release

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// ErrMoved means that somebody else appended first: read what is new, think
// again, and append after that.
var ErrMoved = errors.New("the history has moved on")

// Log keeps the history. release/history is the one that lasts;
// releasetest.Log the one for tests.
type Log interface {
	// Append adds e after head and returns the new head, once the event is
	// on stable storage. When head is not the end of the history, nothing is
	// added and the error is ErrMoved. An error other than that may come after
	// the event was stored: read the history to know.
	Append(ctx context.Context, head Head, e Event) (Head, error)
	// Read yields the events with a Seq greater than after that were there
	// when it was called, in order. A record that cannot be read has Err set
	// and the iteration goes on; an error beside it ends the iteration.
	Read(ctx context.Context, after uint64) iter.Seq2[Record, error]
	// Wait returns when the history has events after seq, or with ctx's error.
	Wait(ctx context.Context, seq uint64) error
	// Findings are what the storage itself saw wrong when it was opened, such
	// as an end that was cut off. What is wrong with the chain of events,
	// State finds by itself.
	Findings() []Finding
}

// Record is an event as it is stored.
type Record struct {
	// Seq is where the storage keeps it.
	Seq uint64
	// Raw is its bytes, which nobody changes any more; see Encode.
	Raw []byte
	// Err says why it cannot be read; Raw is empty then.
	Err error
}

// Finding is one thing that is wrong with the history. While there is one that
// no person has acknowledged, nothing is promoted.
type Finding struct {
	// Key is the same each time the same damage is found, and another when
	// the damage is.
	Key string `json:"key"`
	// Seq is the first event that is concerned.
	Seq uint64 `json:"seq"`
	// Text says what is wrong, for the person who has to look.
	Text string `json:"text"`
}

// Load folds all of log, its findings included.
func Load(ctx context.Context, log Log) (*State, error) {
	s := NewState()
	return s, s.CatchUp(ctx, log)
}

// CatchUp folds what log has beyond s.
func (s *State) CatchUp(ctx context.Context, log Log) error {
	for _, f := range log.Findings() {
		s.Report(f)
	}
	in := &ahead{take: s.apply}
	defer in.finish() // also what came before an error
	for r, err := range log.Read(ctx, s.Head().Seq) {
		if err != nil {
			return err
		}
		in.add(r)
	}
	return nil
}

// Update appends what decide makes of the state, one event after the other, and
// keeps s folded. When somebody else appends in between, decide is asked again
// with what is new. An event whose ID the history has is not added again.
//
// An error may leave the first events recorded: each must make sense alone.
func (s *State) Update(ctx context.Context, log Log, decide func(*State) ([]Event, error)) error {
	var lost Head // where an append lost against another
	for refused := false; ; {
		if err := s.CatchUp(ctx, log); err != nil {
			return err
		}
		if refused && s.Head() == lost {
			return fmt.Errorf("%w, and shows nothing after event %d: its storage is damaged", ErrMoved, lost.Seq)
		}
		events, err := decide(s)
		if err != nil {
			return err
		}
		err = s.appendAll(ctx, log, events)
		if err == nil || !errors.Is(err, ErrMoved) {
			return err
		}
		refused = !errors.Is(err, errNews)
		lost = s.Head()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// errNews means that an append was taken and that others came with it.
var errNews = fmt.Errorf("others appended, too: %w", ErrMoved)

func (s *State) appendAll(ctx context.Context, log Log, events []Event) error {
	for i, e := range events {
		if s.Has(e.ID) {
			continue
		}
		before := s.Head()
		if _, err := log.Append(ctx, before, e); err != nil {
			return err
		}
		if err := s.CatchUp(ctx, log); err != nil {
			return err
		}
		if i < len(events)-1 && s.Head().Seq != before.Seq+1 {
			return errNews
		}
	}
	return nil
}
