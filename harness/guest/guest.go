// Package guest is what a suite holds: a running guest in which commands run,
// files are read and written, units are waited for, and which can be rebooted.
//
// It never decides what a result means; that is the check's part. It reaches
// the guest over SSH through a dialer that the harness gives it, and needs
// nothing else of the host.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// Guest is one running guest. All methods may be called at the same time.
//
// An error from any method means that the question was not answered (see
// TransportError and TimeoutError); a command that ran and failed is a Result
// with a non-zero Exit, not an error.
type Guest interface {
	// Name is the guest's name in the report: "boot", "fork-3".
	Name() string
	// Run runs one command and waits for its end.
	Run(ctx context.Context, c Command) (Result, error)
	// ReadFile returns the file's content; at most limit bytes, or an error
	// that says it is larger. A missing file is fs.ErrNotExist.
	ReadFile(ctx context.Context, path string, limit int64) ([]byte, error)
	// WriteFile replaces path with what content holds, as root, by writing
	// beside it and renaming.
	WriteFile(ctx context.Context, path string, content io.Reader, mode fs.FileMode) error
	// Reboot asks the guest for an orderly reboot, waits until it has gone down
	// and come back with a new boot id, and until the boot has finished.
	Reboot(ctx context.Context) error
	// AwaitReboot waits, as Reboot does, for a reboot that something else has
	// ordered: until the guest is up with another boot id than was. With an empty
	// one any boot will do: a soft reboot stays in its boot.
	AwaitReboot(ctx context.Context, was string) error
	// PowerCut takes the power away without a word to the guest, gives it back,
	// and waits as Reboot does. ErrNoPower where nobody can do that.
	PowerCut(ctx context.Context) error
	// BootID is /proc/sys/kernel/random/boot_id as last seen after a (re)boot.
	BootID() string
	// Journal returns structured entries, oldest first.
	Journal(ctx context.Context, q JournalQuery) ([]Entry, error)
	// Dial opens a TCP connection to a port of the guest, over the guest's
	// private network (what listens only on the guest's loopback is not reached).
	Dial(ctx context.Context, port int) (io.ReadWriteCloser, error)
	// Scale is how many times slower than on KVM this guest is expected to be.
	// Command limits are multiplied by it already.
	Scale() float64
}

// ErrNoPower means that nobody can cut the guest's power.
var ErrNoPower = errors.New("cannot cut the guest's power: whoever runs it gave no way to")

// Command is a program and its arguments, never a shell line. A check that
// needs a pipeline names the shell: Args{"sh", "-c", script}.
type Command struct {
	Args []string
	// User runs it as that user (through `runuser`); empty is root.
	User string
	// Env is added to the environment.
	Env map[string]string
	// Stdin is fed to the command; nil is an empty input.
	Stdin io.Reader
	// Stdout and Stderr, when set, get a copy as the bytes arrive.
	Stdout, Stderr io.Writer
	// Limit is how long it may take on a KVM host; 0 is DefaultLimit. It is
	// multiplied by the guest's Scale. Past it the command is killed and Run
	// returns a *TimeoutError.
	Limit time.Duration
	// MaxOutput bounds what Result keeps of each stream, in bytes; 0 is
	// DefaultMaxOutput. What is more is read and dropped, and Result.Truncated set.
	MaxOutput int
}

// Defaults of Command.
const (
	// DefaultLimit suits a command that only looks at state; under emulation
	// (scale about 10) it is two and a half minutes.
	DefaultLimit = 15 * time.Second
	// DefaultMaxOutput holds any status output; a hostile command fills no memory.
	DefaultMaxOutput = 1 << 20
)

// Result is how a command ended.
type Result struct {
	// Exit is the exit status; -1 when a signal ended it.
	Exit int
	// Signal is the signal's name without SIG, empty when none.
	Signal    string
	Stdout    string
	Stderr    string
	Truncated bool
	Took      time.Duration
}

// OK reports exit status 0.
func (r Result) OK() bool { return r.Exit == 0 }

// Line is Stdout without surrounding white space.
func (r Result) Line() string { return strings.TrimSpace(r.Stdout) }

// Said is what the command said of its failure, in one line: the last
// non-empty line of stderr, else of stdout, else the exit status.
func (r Result) Said() string {
	for _, s := range []string{r.Stderr, r.Stdout} {
		lines := strings.Split(strings.TrimSpace(s), "\n")
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
			return last
		}
	}
	if r.Signal != "" {
		return "killed by signal " + r.Signal
	}
	return fmt.Sprintf("exit status %d, no output", r.Exit)
}

// TransportError means the guest could not be asked: the connection broke or
// could not be made.
type TransportError struct {
	Guest string
	Op    string
	Err   error
}

func (e *TransportError) Error() string {
	return fmt.Sprintf("cannot %s on guest %s: %v", e.Op, e.Guest, e.Err)
}

func (e *TransportError) Unwrap() error { return e.Err }

// TimeoutError means a command or a wait passed its limit.
type TimeoutError struct {
	Guest string
	Op    string
	Limit time.Duration
	// Last is the last state seen, for the reader.
	Last string
}

func (e *TimeoutError) Error() string {
	s := fmt.Sprintf("%s on guest %s took longer than %s", e.Op, e.Guest, e.Limit.Round(time.Second))
	if e.Last != "" {
		s += " (last seen: " + e.Last + ")"
	}
	return s
}

// ErrRebootNotSeen means the guest never went down after it was told to reboot.
var ErrRebootNotSeen = errors.New("the guest did not go down")

// JournalQuery chooses journal entries. The zero value is the whole of this boot.
type JournalQuery struct {
	// Boot counts back from this boot: 0 this one, -1 the one before.
	Boot int
	// Unit, when set, keeps entries of or about that unit.
	Unit string
	// Transport, when set, keeps entries of that transport: "kernel", "audit", ...
	Transport string
	// MaxPriority, when set, keeps entries of that syslog priority or graver
	// ("3" is error). A string, as 0 (emergency) is a priority too.
	MaxPriority string
	// Grep, when set, keeps messages that match this PCRE2 expression.
	Grep string
	// Limit bounds the entries; 0 is 10000, newest kept.
	Limit int
}

// Entry is one journal entry.
type Entry struct {
	Time      time.Time
	BootID    string
	Unit      string // _SYSTEMD_UNIT, or UNIT of the manager's own messages
	Ident     string // SYSLOG_IDENTIFIER
	PID       int
	Priority  int
	Transport string
	Message   string
	// MessageID is the catalogue id of well-known events, empty otherwise.
	MessageID string
	// Fields are all fields with text values, by their journal names.
	Fields map[string]string
}
