package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"assay/reports"
	"assay/suites/check"
)

// childEnd is what a suite child left behind.
type childEnd struct {
	// Done are the checks that ended, by id.
	Done map[reports.CaseID]check.Event
	// Running is the check that had begun and not ended, if any.
	Running *check.Event
	// Err is why not everything asked for was answered; nil when it was.
	Err error
}

// spawner starts suite children.
type spawner struct {
	// Exe and Args are the program and the arguments that make it a child.
	Exe  string
	Args []string
}

// childExit bounds how long a child may take to end once its input is closed.
const childExit = 5 * time.Second

// eventLimit bounds one event; details and commands are bounded far below it.
const eventLimit = 8 << 20

// run runs one child to its end. dir gets its log, Ginkgo's report and the
// recorded commands. Cancelling ctx ends the child; context.Cause(ctx) becomes
// the error.
func (sp spawner) run(ctx context.Context, spec childSpec, dir string, tell func(check.Event)) childEnd {
	end := childEnd{Done: map[reports.CaseID]check.Event{}}
	end.Err = sp.converse(ctx, spec, dir, func(e check.Event) {
		switch {
		case e.Reboot != "":
		case e.Done:
			end.Done[e.ID] = e
			end.Running = nil
		default:
			end.Running = &e
		}
		tell(e)
	})
	if cause := context.Cause(ctx); cause != nil && end.Err != nil {
		end.Err = cause
	}
	if end.Err == nil && len(end.Done) < len(spec.Checks) {
		end.Err = fmt.Errorf("the suite's process answered %d of %d checks", len(end.Done), len(spec.Checks))
	}
	return end
}

func (sp spawner) converse(ctx context.Context, spec childSpec, dir string, tell func(check.Event)) (err error) {
	log, err := os.OpenFile(filepath.Join(dir, "child.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("cannot log the suite's process: %w", err)
	}
	defer log.Close()
	job, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("cannot describe the job: %w", err)
	}

	cmd := exec.CommandContext(ctx, sp.Exe, sp.Args...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is the parent's to handle
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("cannot start the suite's process: %w", err)
	}
	// Closing its input tells the child to go; one that does not is killed.
	cmd.Cancel, cmd.WaitDelay = stdin.Close, childExit
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("cannot start the suite's process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the suite's process: %w", err)
	}

	_, werr := stdin.Write(append(job, '\n'))
	rerr := readEvents(stdout, tell)
	if rerr != nil {
		_ = cmd.Process.Kill() // it speaks nonsense, or more than it may
	}
	cerr := cmd.Wait()
	switch {
	case rerr != nil: // and we killed it
		return rerr
	case cerr != nil:
		return fmt.Errorf("the suite's process ended with %w%s", cerr, lastLine(log.Name()))
	}
	return werr
}

// readEvents decodes one event a line until the end of the stream.
func readEvents(r io.Reader, tell func(check.Event)) error {
	br := bufio.NewReader(r)
	for {
		line, err := readBounded(br, eventLimit)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var e check.Event
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			return fmt.Errorf("cannot understand the suite's process: %w", err)
		}
		tell(e)
	}
}

// lastLine is what a dead child said last, for the message.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const tail = 4096
	if st, err := f.Stat(); err == nil && st.Size() > tail {
		_, _ = f.Seek(-tail, io.SeekEnd)
	}
	last := ""
	sc := bufio.NewScanner(io.LimitReader(f, tail))
	for sc.Scan() {
		if sc.Text() != "" {
			last = sc.Text()
		}
	}
	if last == "" {
		return ""
	}
	return ": " + last
}
