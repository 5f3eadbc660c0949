package guest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// Resume enters a guest that was restored from a state saved after its boot,
// whose id is bootID: it is ready as soon as it answers, but its clock stood
// still, and certificates, timers and the journal's order suffer from that. The
// first command sets the clock before it begins, as without KVM every command more
// takes half a second. ctx bounds the login; one that was not had by then is a
// *NotReadyError.
func Resume(ctx context.Context, cfg SSHConfig, bootID string) (*SSH, error) {
	s, err := newSSH(cfg)
	if err != nil {
		return nil, err
	}
	if !bootIDForm.MatchString(bootID) {
		return nil, fmt.Errorf("cannot resume guest %s: %.80q is no boot id", s.cfg.Name, bootID)
	}
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	w := &wait{s: s, start: time.Now(), last: map[Stage]error{}, stage: StageNoAnswer}
	l, err := w.connect(ctx)
	leave()
	if err != nil {
		_ = s.Close() // never fails
		return nil, err
	}
	s.mu.Lock()
	s.sudo, s.stoodStill = !s.root, true // sudo was asked for at the boot
	s.mu.Unlock()
	s.adopt(l, bootID)
	return s, nil
}

// bootIDForm is the form of the kernel's random ids.
var bootIDForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// clockScript sets the clock to $1, in seconds since 1970, and becomes the rest
// of its arguments.
const clockScript = `date -s "@$1" >/dev/null || { echo "` + clockWords + `" >&2; exit ` + clockFailed + `; }
shift; [ $# = 0 ] || exec "$@"`

// How clockScript says that it failed, and not what comes after it.
const (
	clockWords  = "assay: the clock cannot be set"
	clockFailed = "125"
)

// withClock has a command set the clock of a guest whose clock stood still. The
// prefix of words is what makes a command root's. Commands that begin beside the
// first one set it, too.
func (s *SSH) withClock(ctx context.Context, l *link, prefix, words []string) (_ []string, carries bool, err error) {
	s.mu.Lock()
	late := s.stoodStill
	s.mu.Unlock()
	if !late {
		return words, false, nil
	}
	root, at := s.asRoot(), strconv.FormatInt(time.Now().Unix(), 10)
	set := append(slices.Clone(root), "sh", "-c", clockScript, "sh", at)
	if slices.Equal(prefix, root) {
		return append(set, words[len(prefix):]...), true, nil
	}
	r, err := s.raw(ctx, l, shellescape.QuoteCommand(set), s.scaled(DefaultLimit))
	if err != nil {
		return nil, false, err
	}
	return words, false, s.clockSet(r)
}

// clockSet takes the answer of a command that carried clockScript.
func (s *SSH) clockSet(r Result) error {
	if strconv.Itoa(r.Exit) == clockFailed && strings.Contains(r.Stderr, clockWords) {
		return fmt.Errorf("its clock stood still and cannot be set: %.300s", strings.Join(strings.Fields(r.Stderr), " "))
	}
	s.mu.Lock()
	s.stoodStill = false
	s.mu.Unlock()
	return nil
}

// asRoot is what stands before a command of root's.
func (s *SSH) asRoot() []string {
	if s.root {
		return nil
	}
	return []string{"sudo", "-n", "--"}
}

// bootIDOf is the boot id that a command printed last: what the login shell may
// have said comes before.
func bootIDOf(r Result) string {
	said := r.Line()
	return strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:])
}
