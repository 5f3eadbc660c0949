package guest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// NoRootError means the login user is not root and may not become it.
type NoRootError struct {
	User string
	// Said is what sudo said.
	Said string
}

func (e *NoRootError) Error() string {
	return fmt.Sprintf("cannot run as root: user %s may not use sudo without a password: %s", e.User, e.Said)
}

// callEnv marks the processes of one command, so that they can be found again.
const callEnv = "ASSAY_CALL"

// Run runs one command; see Guest. The locale is C unless Env says otherwise.
//
// When the limit passes or ctx ends, the command and what it started are
// killed as far as the guest can still be reached. A command whose user's shell
// stays in between reports a signal as exit status 128 plus its number.
// A goroutine stays until Stdin's Read returns.
func (s *SSH) Run(ctx context.Context, c Command) (Result, error) {
	start := time.Now()
	r, err := s.run(ctx, c)
	r.Took = time.Since(start)
	s.record(c, start, r, err)
	return r, err
}

func (s *SSH) run(ctx context.Context, c Command) (Result, error) {
	op := "run " + describe(c.Args)
	if err := checkCommand(c); err != nil {
		return Result{}, fmt.Errorf("cannot %s: %w", op, err)
	}
	leave, err := s.enter()
	if err != nil {
		return Result{}, s.transport(op, err)
	}
	defer leave()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return Result{}, s.transport(op, ended(ctx))
	}
	limit := c.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	limit = s.scaled(limit)
	keep := c.MaxOutput
	if keep == 0 {
		keep = DefaultMaxOutput
	}
	// The end mark keeps call 1 from being found in call 10.
	call := fmt.Sprintf("%s-%d-", s.callID, s.calls.Add(1))
	out, errs := newStream(c.Stdout, keep), newStream(c.Stderr, keep)

	// A connection may turn out to be broken only now; a command that was
	// never started may be tried once more.
	for try := 1; ; try++ {
		l, err := s.connection(ctx)
		if err != nil {
			return Result{}, s.transport(op, err)
		}
		again := func(err error) bool { return errors.Is(err, errNoSession) && try == 1 && ctx.Err() == nil }
		prefix, err := s.as(ctx, l, c.User)
		if again(err) {
			l.close(err)
			continue
		}
		if err != nil {
			return Result{}, s.transport(op, err)
		}
		words := append(slices.Clone(prefix), "env", callEnv+"="+call)
		if _, ok := c.Env["LC_ALL"]; !ok {
			words = append(words, "LC_ALL=C")
		}
		for _, k := range sortedKeys(c.Env) {
			words = append(words, k+"="+c.Env[k])
		}
		words, clocks, err := s.withClock(ctx, l, prefix, append(words, c.Args...))
		if again(err) {
			l.close(err)
			continue
		}
		if err != nil {
			return Result{}, s.transport(op, err)
		}
		line := shellescape.QuoteCommand(words)
		exit, signal, err := s.do(ctx, l, request{line: line, stdin: c.Stdin, stdout: out, stderr: errs, limit: limit})
		if again(err) {
			l.close(err)
			continue
		}
		r := Result{Exit: exit, Signal: signal, Stdout: out.text(), Stderr: sudoNoise.ReplaceAllString(errs.text(), ""), Truncated: out.full() || errs.full()}
		switch {
		case err == nil && clocks:
			if err := s.clockSet(r); err != nil {
				return Result{}, s.transport(op, err)
			}
			return r, nil
		case err == nil:
			return r, nil
		case errors.Is(err, errTimeout):
			s.kill(l, call)
			return r, &TimeoutError{Guest: s.cfg.Name, Op: op, Limit: limit, Last: lastLine(r)}
		case ctx.Err() != nil:
			s.kill(l, call)
			return r, s.transport(op, ended(ctx))
		}
		return r, s.transport(op, err)
	}
}

// sudoNoise is what sudo says before every command on a host that cannot resolve
// its own name. It is no word of the command's.
var sudoNoise = regexp.MustCompile(`\A(?:sudo: unable to resolve host [^\n]*\n)+`)

// checkCommand refuses what cannot be passed on faithfully.
func checkCommand(c Command) error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return errors.New("the command is empty")
	}
	for _, a := range c.Args {
		if strings.ContainsRune(a, 0) {
			return fmt.Errorf("argument %q holds a NUL byte", a)
		}
	}
	for k, v := range c.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return fmt.Errorf("environment %q=%q cannot be set", k, v)
		}
	}
	if strings.HasPrefix(c.User, "-") || strings.ContainsRune(c.User, 0) {
		return fmt.Errorf("%q is no user", c.User)
	}
	// env(1) takes a first word with an equals sign for a variable.
	if strings.Contains(c.Args[0], "=") {
		return fmt.Errorf("%q is no program", c.Args[0])
	}
	return nil
}

// describe is args for an error message: quoted and short.
func describe(args []string) string {
	s := shellescape.QuoteCommand(args)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:117]) + "..."
	}
	return s
}

func lastLine(r Result) string {
	if r.Stdout == "" && r.Stderr == "" {
		return ""
	}
	return r.Said()
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// as is what stands before a command to run it as user ("" is root).
func (s *SSH) as(ctx context.Context, l *link, user string) ([]string, error) {
	if user == "" {
		user = "root"
	}
	// The login's own session is the truest for its user: PAM has set it up.
	if user == s.cfg.User {
		return nil, nil
	}
	var words []string
	if !s.root {
		if err := s.needSudo(ctx, l); err != nil {
			return nil, err
		}
		words = s.asRoot()
	}
	if user != "root" {
		words = append(words, "runuser", "-u", user, "--")
	}
	return words, nil
}

// needSudo finds out once that sudo works. A refusal is asked about again: the
// rule may come later in the boot than the user.
func (s *SSH) needSudo(ctx context.Context, l *link) error {
	s.mu.Lock()
	known := s.sudo
	s.mu.Unlock()
	if known {
		return nil
	}
	r, err := s.raw(ctx, l, "sudo -n -- true", s.scaled(DefaultLimit))
	if err != nil {
		return err
	}
	if !r.OK() {
		return &NoRootError{User: s.cfg.User, Said: r.Said()}
	}
	s.mu.Lock()
	s.sudo = true
	s.mu.Unlock()
	return nil
}

// kill ends all processes that carry the call's mark, in the background and
// for a bounded time. Closing the session alone would leave a command that
// reads and writes nothing.
func (s *SSH) kill(l *link, call string) {
	const script = `for f in $(grep -ls "ASSAY_CALL=$1" /proc/[0-9]*/environ); do
f=${f#/proc/}; kill -KILL "${f%/environ}" 2>/dev/null
done`
	words := []string{"sh", "-c", script, "sh", call}
	s.mu.Lock()
	sudo := s.sudo
	s.mu.Unlock()
	if sudo {
		words = append([]string{"sudo", "-n", "--"}, words...)
	}
	line := shellescape.QuoteCommand(words)
	s.goroutines.Add(1)
	go func() {
		defer s.goroutines.Done()
		// Not the caller's context: that one may be over. Close ends it.
		_, _ = s.raw(s.base, l, line, s.scaled(DefaultLimit)) // nobody is left to tell
	}()
}
