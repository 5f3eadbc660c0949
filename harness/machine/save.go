package machine

import (
	"context"
	"errors"
)

// Saved is a guest's state in files.
type Saved struct{}

// ErrForkUnavailable means that forks cannot be had on this host or of this
// saved state; a fresh boot can take their place. The error around it says why.
var ErrForkUnavailable = errors.New("no fork can be made")

// Save writes the guest's state to path; the machine is gone afterwards.
func (m *Machine) Save(ctx context.Context, path string) (*Saved, error) {
	return nil, errors.New("not implemented")
}

// Fork restores a copy of a saved guest.
func (h *Host) Fork(ctx context.Context, s *Saved, f ForkSpec) (*Machine, error) {
	return nil, errors.New("not implemented")
}
