package keeper

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Options say whose keeper it is.
type Options struct {
	// Exe is the program to start as the keeper, Args what makes it call Main
	// (a hidden subcommand). ParseArgs reads what Start adds after them.
	Exe  string
	Args []string
	// RunID and ScratchDir are those of the run's RunDir.
	RunID      string
	ScratchDir string
	// URI is the libvirt connection the run's guests are on; handed through.
	URI string
	// Log gets what only a developer wants to know; nil is silence.
	Log *slog.Logger
}

// How long the parent waits for its keeper: both are local and small, but a
// loaded host may take its time to start a process.
const (
	startLimit = 30 * time.Second
	doneLimit  = 10 * time.Second
)

// The two words the processes say to each other.
const (
	wordReady = "ready\n"
	wordDone  = "done\n"
)

// Keeper is the parent's end of a running keeper.
type Keeper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   *slog.Logger
	once  sync.Once
	err   error
}

// Start starts the keeper and returns once it stands guard. The keeper
// outlives ctx, which bounds only the start.
func Start(ctx context.Context, opt Options) (_ *Keeper, err error) {
	k := &Keeper{log: opt.Log}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	args := append(append([]string(nil), opt.Args...), "--run", opt.RunID, "--scratch", opt.ScratchDir, "--uri", opt.URI)
	k.cmd = exec.Command(opt.Exe, args...)
	// A session of its own: Ctrl-C and a killed process group do not reach it.
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// The folder it runs in must not keep a file system busy.
	k.cmd.Dir = "/"
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("cannot start keeper: %w", err)
	}
	stdout, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start keeper: %w", err)
	}
	if err := k.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start keeper %s: %w", opt.Exe, err)
	}
	ready := make(chan error, 1)
	go func() {
		word, err := bufio.NewReader(io.LimitReader(stdout, 64)).ReadString('\n')
		if err == nil && word != wordReady {
			err = fmt.Errorf("it said %q", word)
		}
		ready <- err
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case err = <-ready:
	case <-limit.C:
		err = fmt.Errorf("not ready within %s", startLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = k.cmd.Process.Kill()
		_ = k.stdin.Close()
		_ = k.cmd.Wait()
		return nil, fmt.Errorf("cannot start keeper %s: %w", opt.Exe, err)
	}
	k.log.Debug("keeper started", "pid", k.cmd.Process.Pid)
	return k, nil
}

// Done tells the keeper that everything is clean and waits for its end, ten
// seconds at most. Calling it again returns the first answer.
func (k *Keeper) Done() error {
	k.once.Do(func() { k.err = k.done() })
	return k.err
}

// Abandon leaves the cleaning up to the keeper, as if we had been killed: for a
// caller that could not do it. It does not wait, and Done does nothing after it.
func (k *Keeper) Abandon() error {
	k.once.Do(func() { k.err = errors.Join(k.stdin.Close(), k.cmd.Process.Release()) })
	return k.err
}

func (k *Keeper) done() error {
	kill := time.AfterFunc(doneLimit, func() { _ = k.cmd.Process.Kill() })
	defer kill.Stop()
	_, err := io.WriteString(k.stdin, wordDone)
	err = errors.Join(err, k.stdin.Close(), k.cmd.Wait())
	if err != nil {
		return fmt.Errorf("cannot dismiss keeper: %w", err)
	}
	return nil
}

// ParseArgs reads what Start wrote after Options.Args.
func ParseArgs(args []string) (Options, error) {
	var opt Options
	f := flag.NewFlagSet("keeper", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&opt.RunID, "run", "", "")
	f.StringVar(&opt.ScratchDir, "scratch", "", "")
	f.StringVar(&opt.URI, "uri", "", "")
	if err := f.Parse(args); err != nil {
		return opt, fmt.Errorf("cannot read the keeper's arguments: %w", err)
	}
	if f.NArg() > 0 || !isRunID(opt.RunID) || !filepath.IsAbs(opt.ScratchDir) || filepath.Base(opt.ScratchDir) != opt.RunID {
		return opt, fmt.Errorf("cannot read the keeper's arguments %q: want the id of a run and its folder", args)
	}
	return opt, nil
}

// Main is the keeper process. It waits on stdin for the parent's last word and
// ignores the signals with which a terminal or a service manager ends the parent. When the
// pipe closes without that word, it cleans up: the run's files, its guests through
// destroy (which says how many it found) until none has been seen for a while,
// then the folder. What it could not do within a minute it writes to keeper.log
// in the folder, and leaves the rest to the next run's Reap.
func Main(ctx context.Context, stdin io.Reader, opt Options, destroy func(ctx context.Context) (n int, err error)) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	// An error means that the parent is gone already, and that is what we are here for.
	_, _ = io.WriteString(os.Stdout, wordReady)
	_ = os.Stdout.Close()
	word, _ := io.ReadAll(io.LimitReader(stdin, int64(len(wordDone))))
	if string(word) == wordDone {
		return nil
	}
	err := clean(ctx, opt.ScratchDir, quiet, cleanLimit, destroy)
	if err != nil {
		report := fmt.Sprintf("%s keeper of run %s: %v\n", time.Now().Format(time.RFC3339), opt.RunID, err)
		_ = os.WriteFile(filepath.Join(opt.ScratchDir, "keeper.log"), []byte(report), 0o600)
	}
	return err
}
