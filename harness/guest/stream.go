package guest

import (
	"io"
	"sync"
)

// stream takes all that a command writes, keeps the first bytes of it, and
// passes a copy on until it is sealed.
type stream struct {
	mu        sync.Mutex
	to        io.Writer
	kept      []byte
	limit     int
	truncated bool
	sealed    bool
}

func newStream(to io.Writer, limit int) *stream { return &stream{to: to, limit: limit} }

// Write never fails: a reader that stops reading would stall the command.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return len(p), nil
	}
	if room := s.limit - len(s.kept); room < len(p) {
		s.kept = append(s.kept, p[:max(room, 0)]...)
		s.truncated = true
	} else {
		s.kept = append(s.kept, p...)
	}
	if s.to != nil {
		if _, err := s.to.Write(p); err != nil {
			s.to = nil
		}
	}
	return len(p), nil
}

// seal ends it: nothing is kept or passed on from then on.
func (s *stream) seal() { s.mu.Lock(); s.sealed = true; s.mu.Unlock() }

func (s *stream) text() string { s.mu.Lock(); defer s.mu.Unlock(); return string(s.kept) }

func (s *stream) full() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.truncated }
