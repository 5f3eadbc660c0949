package guest

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Resume enters a guest that was restored from a state saved after its boot: it
// is ready as soon as it answers, but its clock stood still, and certificates,
// timers and the journal's order suffer from that. One command tells the boot and
// sets the clock, as without KVM every command counts. ctx bounds it; a login
// that was not had by then is a *NotReadyError.
func Resume(ctx context.Context, cfg SSHConfig) (*SSH, error) {
	s, err := newSSH(cfg)
	if err != nil {
		return nil, err
	}
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	err = s.resume(ctx)
	leave()
	if err != nil {
		_ = s.Close() // never fails
		return nil, err
	}
	return s, nil
}

// bootID is the form of the kernel's random ids.
var bootID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (s *SSH) resume(ctx context.Context) error {
	w := &wait{s: s, start: time.Now(), last: map[Stage]error{}, stage: StageNoAnswer}
	l, err := w.connect(ctx)
	if err != nil {
		return err
	}
	sudo := "sudo -n -- "
	if s.root {
		sudo = ""
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	// The shell's own words: each program more costs a tenth of a second.
	r, err := s.raw(ctx, l, "read -r id </proc/sys/kernel/random/boot_id && echo \"$id\" && "+sudo+"date -s @"+at+" >/dev/null", s.scaled(DefaultLimit))
	if err == nil && !r.OK() {
		err = fmt.Errorf("cannot set the clock: %s", r.Said())
	}
	if err != nil {
		l.close(err)
		return fmt.Errorf("cannot resume guest %s: %w", s.cfg.Name, err)
	}
	id := bootIDOf(r)
	if !bootID.MatchString(id) {
		err := fmt.Errorf("cannot resume guest %s: %.80q is no boot id", s.cfg.Name, id)
		l.close(err)
		return err
	}
	s.mu.Lock()
	s.sudo = !s.root
	s.mu.Unlock()
	s.adopt(l, id)
	return nil
}

// bootIDOf is the boot id that a command printed last: what the login shell may
// have said comes before.
func bootIDOf(r Result) string {
	said := r.Line()
	return strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:])
}
