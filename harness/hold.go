package harness

// dismiss takes a guest down when nobody wants to see it any more. A guest in
// which checks failed is shown first, or kept until the end of the run.
func (s *session) dismiss(i *instance, failed []string) {
	if len(failed) > 0 && s.show(i, failed) {
		return
	}
	if err := i.close(); err != nil {
		s.opt.Log.Warn("cannot take down a guest", "guest", i.name, "err", err)
	}
}

// show lets a person into a guest, and reports whether it is to be kept. One
// guest is kept at most: it goes on holding its memory while others are
// waiting for theirs.
func (s *session) show(i *instance, failed []string) (keep bool) {
	if s.opt.Hold == nil && s.opt.Keep == nil {
		return false
	}
	held, err := i.held(failed)
	if err != nil {
		s.note("guest %s cannot be shown: %v", i.name, err)
		return false
	}
	if s.opt.Hold != nil {
		s.opt.Hold(held)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		return false
	}
	s.kept = &kept{i, held}
	// Its room is given back now, or the jobs still to come might wait for it
	// for ever: they overcommit the host by one guest.
	if err := i.lease.Release(); err != nil {
		s.opt.Log.Warn("cannot give back the room of a kept guest", "err", err)
	}
	i.lease = nil
	return true
}

// kept is the guest that outlives the verdict.
type kept struct {
	instance *instance
	held     Held
}

// held is what a person needs to enter the guest.
func (i *instance) held(failed []string) (Held, error) {
	key, known, err := i.keyFiles()
	return Held{Guest: i.name, Failed: failed, Socket: i.access.Socket, User: i.access.User, KeyFile: key, KnownHosts: known}, err
}
