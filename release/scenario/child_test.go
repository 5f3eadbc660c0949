package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/release"
)

// childJob is what a child process does until it is killed.
type childJob struct {
	Dir         string
	From, Until int
	Grace       time.Duration
	// Temp is the child's folder for temporary files.
	Temp string
	// KillBefore and KillAfter are the append before or after which it kills
	// itself, from 1; 0 is none.
	KillBefore, KillAfter int
}

// line is what a child tells its parent: one of the four. A child that tells of a
// morning or an evening waits for a line on its standard input.
type line struct {
	Appended *release.Head `json:",omitempty"`
	ID       string        `json:",omitempty"`
	Done     *int          `json:",omitempty"`
	Morning  string        `json:",omitempty"`
	Evening  string        `json:",omitempty"`
	Account  Account
}

const childVariable = "ASSAY_SCENARIO_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childVariable); job != "" {
		if err := runChild(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// told is a history that tells the parent of each event once it is acknowledged.
type told struct {
	release.Log
	job *childJob
	say func(line) error
	n   int
}

func (l *told) Append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	l.n++
	if l.n == l.job.KillBefore {
		die()
	}
	next, err := l.Log.Append(ctx, head, e)
	if l.n == l.job.KillAfter {
		die()
	}
	if err == nil {
		err = l.say(line{Appended: &next, ID: e.ID})
	}
	return next, err
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func runChild(job string) error {
	var c childJob
	if err := json.Unmarshal([]byte(job), &c); err != nil {
		return err
	}
	pipe, answers := os.NewFile(3, "pipe"), bufio.NewReader(os.Stdin)
	var mu sync.Mutex
	say := func(l line) error {
		mu.Lock()
		defer mu.Unlock()
		return json.NewEncoder(pipe).Encode(l)
	}
	ask := func(l line) error {
		if err := say(l); err != nil {
			return err
		}
		_, err := answers.ReadString('\n')
		return err
	}
	return Run(context.Background(), Options{Dir: c.Dir, From: c.From, Until: c.Until, Grace: c.Grace,
		Morning: func(_ context.Context, d Day) error { return ask(line{Morning: d.Is}) },
		Evening: func(_ context.Context, d Day, a Account) error { return ask(line{Evening: d.Is, Account: a}) },
		Done:    func(i int) { _ = say(line{Done: &i}) },
		Wrap:    func(l release.Log) release.Log { return &told{Log: l, job: &c, say: say} },
		Tell:    func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }})
}

// child is a running child process.
type child struct {
	cmd    *exec.Cmd
	pipe   *os.File
	stdin  io.WriteCloser
	stderr *os.File
}

func startChild(t testing.TB, c childJob) *child {
	t.Helper()
	job, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	x := &child{cmd: exec.Command(os.Args[0]), pipe: r}
	if x.stderr, err = os.CreateTemp(t.TempDir(), "stderr"); err != nil {
		t.Fatal(err)
	}
	x.cmd.Env = append(os.Environ(), childVariable+"="+string(job), "TMPDIR="+c.Temp)
	x.cmd.ExtraFiles, x.cmd.Stderr = []*os.File{w}, x.stderr
	if x.stdin, err = x.cmd.StdinPipe(); err == nil {
		err = x.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	return x
}

// kill may come at any time, and more than once.
func (x *child) kill() { _ = x.cmd.Process.Kill() }

func (x *child) answer() { _, _ = io.WriteString(x.stdin, "go on\n") }

// lines yields what the child tells until it ends. The last line may be half
// written: then nothing was acknowledged.
func (x *child) lines(do func(line)) {
	in := bufio.NewReader(x.pipe)
	for {
		b, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var l line
		if json.Unmarshal(b, &l) != nil {
			return
		}
		do(l)
	}
}

// wait says whether the child was killed; any other failure is the test's.
func (x *child) wait(t testing.TB) (killed bool) {
	t.Helper()
	err := x.cmd.Wait()
	_ = x.pipe.Close()
	defer x.stderr.Close()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	b, _ := os.ReadFile(x.stderr.Name())
	t.Fatalf("the child failed: %v\n%s", err, b[max(0, len(b)-8000):])
	return false
}
