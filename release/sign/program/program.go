// Package program runs the programs that sign, verify and publish: an argument
// vector and never a shell, no terminal, output bounded, and nothing of what is
// fed to them in an error.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"assay/reports"
)

// Command is what to run.
type Command struct {
	// Args begins with the program.
	Args []string
	// Env is added to the environment, as "NAME=value". Programs are told to
	// speak English, so that what they say can be read.
	Env []string
	Dir string
	// Stdin is fed to it; nil is nothing.
	Stdin io.Reader
	// Limit bounds the output that is kept, in bytes; 1 MiB when 0. More is an
	// error.
	Limit int
}

// Error is the failure of a program.
type Error struct {
	Program string
	// Said is the end of what it wrote to standard error, in one line.
	Said string
	Err  error
}

func (e *Error) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %v", e.Program, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Program, e.Err, e.Said)
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the program's, -1 when it never ended by itself.
func (e *Error) ExitCode() int {
	var x *exec.ExitError
	if errors.As(e.Err, &x) {
		return x.ExitCode()
	}
	return -1
}

var errTooMuch = errors.New("it writes too much")

// Run returns what the program wrote to standard output, also beside an *Error.
// It ends with ctx.
func Run(ctx context.Context, c Command) ([]byte, error) {
	if c.Limit == 0 {
		c.Limit = 1 << 20
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // the vector is made here or by the owner of the configuration
	cmd.Dir, cmd.Stdin = c.Dir, c.Stdin
	cmd.Env = append(append(cmd.Environ(), "LC_ALL=C.UTF-8"), c.Env...)
	cmd.WaitDelay = 5 * time.Second
	// What outlives us would work on beside the next one of us. The signal comes
	// when the thread ends that started the program, so that one is kept.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, said := &bounded{limit: c.Limit}, &tail{}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	if out.over {
		err = errTooMuch
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return out.buf.Bytes(), nil
	}
	return out.buf.Bytes(), &Error{Program: c.Args[0], Said: said.line(), Err: err}
}

// bounded keeps what is written up to a limit and fails beyond it, which ends
// the program. The buffer is a field, so that io.Copy finds no ReadFrom that would go around
// Write.
type bounded struct {
	buf   bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > b.limit {
		b.over = true
		return 0, errTooMuch
	}
	return b.buf.Write(p)
}

// tail keeps the end of what is written.
type tail struct{ b []byte }

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) line() string {
	lines := strings.FieldsFunc(string(t.b), func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) > 4 {
		lines = lines[len(lines)-4:]
	}
	return reports.Line(strings.Join(lines, "; "), 600)
}
