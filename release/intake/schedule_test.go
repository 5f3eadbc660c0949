package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/release"
)

// rig is a schedule whose command is a script, and the folder it fills.
type rig struct {
	*bench
	into, work string
	config     ScheduleConfig
	now        time.Time
}

func newRig(t *testing.T, script string) *rig {
	t.Helper()
	r := &rig{bench: newBench(t), into: t.TempDir(), work: t.TempDir(), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), "compose")
	put(t, path, "set -e\n"+script)
	r.config = ScheduleConfig{Stream: stream, At: "01:30", Zone: "Europe/Prague", Command: []string{"/bin/sh", path, "it's $one argument"}, Into: r.into, Work: r.work}
	return r
}

// makes a whole build, and notes in the work folder that it ran.
const makes = `test "$1" = "it's \$one argument"
test "$PWD" = "$ASSAY_COMPOSE_DIR"
echo the image >os.qcow2
echo '{"compose": "'$ASSAY_COMPOSE'", "created": "2026-11-21T03:00:00Z", "artifacts": [{"id": "qcow2/x86_64", "file": "os.qcow2"}]}' >build.json
`

func (r *rig) schedule(t *testing.T) *Schedule {
	t.Helper()
	s, err := NewSchedule("nightly", r.config, func() time.Time { return r.now }, Options{Policies: []*release.Policy{r.Policy}, Record: r,
		Tell: func(format string, args ...any) { r.told = append(r.told, fmt.Sprintf(format, args...)) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) poll(t *testing.T) {
	t.Helper()
	if err := r.schedule(t).Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// composes are the folders that are there, whole or not.
func (r *rig) composes(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(r.into)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimPrefix(e.Name(), "fedora-43-"))
	}
	return strings.Join(out, " ")
}

func (r *rig) want(t *testing.T, what, want string) {
	t.Helper()
	if got := r.composes(t); got != want {
		t.Errorf("%s: %q, want %q; told %q", what, got, want, r.told)
	}
}

// TestScheduleRunsOncePerDay whatever the clock does.
func TestScheduleRunsOncePerDay(t *testing.T) {
	r := newRig(t, makes)
	r.poll(t)
	r.want(t, "the first time there is nothing to catch up with", "")
	r.now = time.Date(2026, 11, 22, 0, 29, 0, 0, time.UTC)
	r.poll(t)
	r.want(t, "a minute before", "")
	r.now = r.now.Add(time.Minute)
	r.poll(t)
	r.poll(t)
	r.want(t, "at half past one in Prague", "20261122.n.0")
	r.now = r.now.Add(-time.Hour)
	r.poll(t)
	r.now = r.now.Add(2 * time.Hour)
	r.poll(t)
	r.want(t, "an hour back and forth", "20261122.n.0")
	r.now = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	r.poll(t)
	r.want(t, "four days slept through", "20261122.n.0 20261126.n.0")
	// A clock that is a year ahead runs one; right again, the days go on.
	r.now = time.Date(2027, 11, 26, 9, 0, 0, 0, time.UTC)
	r.poll(t)
	r.now = time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	r.poll(t)
	r.now = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	r.poll(t)
	r.want(t, "a clock that was wrong", "20261122.n.0 20261126.n.0 20261127.n.0 20271126.n.0")
	if n := r.State.Head().Seq; n != 1 {
		t.Errorf("%d events: the folder announces builds", n)
	}
	// What was made is a build of the folder.
	f := watched(t, r.bench, r.into)
	r.bench.Now = r.now
	look(t, f, 2)
	if b := r.State.Line(stream).ByCompose("fedora-43-20261127.n.0"); b == nil {
		t.Errorf("told %q", r.told)
	}
}

// TestScheduleSkipsWhatHasNotChanged: the packages are those of the last compose.
func TestScheduleSkipsWhatHasNotChanged(t *testing.T) {
	r := newRig(t, `test ! -e "`+"$0.fail"+`"
`+makes)
	list := filepath.Join(r.work, "list")
	put(t, list, "kernel-6.17.1\ndocker-28.0.1\n")
	r.config.Packages = []string{"/bin/sh", "-c", "echo careful >&2; date >&2; cat " + list}
	day := func() {
		t.Helper()
		r.now = r.now.AddDate(0, 0, 1)
		r.poll(t)
	}
	r.poll(t)
	day()
	put(t, list, "docker-28.0.1\nkernel-6.17.1\n") // in another order
	day()
	day()
	r.want(t, "the same packages", "20261122.n.0")
	put(t, list, "docker-28.0.2\nkernel-6.17.1\n")
	fail := r.config.Command[1] + ".fail"
	put(t, fail, "")
	day()
	if len(r.State.Line(stream).Failures) != 1 {
		t.Fatalf("told %q", r.told)
	}
	if err := os.Remove(fail); err != nil {
		t.Fatal(err)
	}
	day() // what failed is tried again though its packages are those of yesterday
	r.want(t, "other packages", "20261122.n.0 20261126.n.0")
	r.config.Packages = []string{"/bin/sh", "-c", "exit 3"}
	day()
	if f := r.State.Line(stream).Failures; len(f) != 2 || !strings.Contains(f[1].Reason, "cannot list packages: /bin/sh: exit status 3") {
		t.Errorf("%+v", f)
	}
}

// TestScheduleTellsOfFailures and leaves nothing half.
func TestScheduleTellsOfFailures(t *testing.T) {
	for script, says := range map[string]string{
		"exit 7":        "exit status 7",
		"kill -9 $$":    "signal: killed",
		"echo no build": "build.json",
		strings.Replace(makes, "$ASSAY_COMPOSE'", "other'", 1): `is of compose "other"`,
		"echo '{\"compose\"' >build.json":                      "cannot be read",
		"sleep 1000 & sleep 1000":                              "took more than 200ms",
		"sleep 1000 & exit 9":                                  "exit status 9",
		// What the folder would refuse for ever.
		strings.Replace(makes, `"created": "2026-11-21T03:00:00Z", `, "", 1): "no time of creation",
		strings.Replace(makes, "2026-11-21", "2027-11-21", 1):                "is to come",
		strings.Replace(makes, `"file"`, `"sha256": "abc", "file"`, 1):       "os.qcow2 has SHA-256",
		strings.Replace(makes, "echo the image >", ": >", 1):                 "has 0 bytes",
	} {
		r := newRig(t, script)
		r.config.Timeout = 30 * time.Second
		if strings.HasPrefix(script, "sleep") {
			r.config.Timeout = 200 * time.Millisecond
		}
		r.poll(t)
		r.now = r.now.AddDate(0, 0, 1)
		r.poll(t)
		r.poll(t)
		r.want(t, script, "")
		f := r.State.Line(stream).Failures
		if len(f) != 1 || !strings.Contains(f[0].Reason, says) || f[0].Compose != "fedora-43-20261122.n.0" || f[0].Log == "" {
			t.Errorf("%s: %+v, told %q", script, f, r.told)
		}
		r.unlocked(t)
	}
}

// unlocked waits until nothing holds the lock: what was killed is gone soon.
func (r *rig) unlocked(t *testing.T) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(r.work, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	end := time.Now().Add(20 * time.Second)
	for syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		if time.Now().After(end) {
			t.Fatal("something is still at work")
		}
	}
}

// TestScheduleOverlapsNothing: a command that outlived a service that was killed
// is waited for; one that is stopped with the service runs again.
func TestScheduleOverlapsNothing(t *testing.T) {
	r := newRig(t, `sleep 1000 &
echo x >>"$0.begun"
while test ! -e "$0.go"; do sleep 0.01; done
`+makes)
	begun, goOn := r.config.Command[1]+".begun", r.config.Command[1]+".go"
	r.poll(t)
	r.now = r.now.AddDate(0, 0, 1)
	started := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for {
			if raw, _ := os.ReadFile(begun); len(raw) == 2*n {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("run %d never began; told %q", n, r.told)
			}
		}
	}
	first, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	s := r.schedule(t)
	go func() { over <- s.Poll(first) }()
	started(1)
	other := r.schedule(t)
	for range 3 {
		if err := other.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(strings.Join(r.told, "\n"), "still at work"); n != 1 {
		t.Errorf("told %d times: %q", n, r.told)
	}
	stop()
	if err := <-over; err == nil {
		t.Error("it was stopped and says nothing")
	}
	r.want(t, "stopped", "")
	if len(r.State.Line(stream).Failures) != 0 {
		t.Error("a service that ends is no failure of a compose")
	}
	put(t, goOn, "")
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for r.composes(t) != "20261122.n.0" { // the last of those killed may still hold the lock
		if r.poll(t); limit.Err() != nil {
			t.Fatalf("it does not run again: %q", r.told)
		}
	}
	started(2)
	r.unlocked(t)
}

// TestScheduleTellsOfADayThatWaitedOut: what holds the lock lost a day its compose.
func TestScheduleTellsOfADayThatWaitedOut(t *testing.T) {
	r := newRig(t, makes)
	r.poll(t)
	lock, err := os.OpenFile(filepath.Join(r.work, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.now = r.now.AddDate(0, 0, 1)
		r.poll(t)
		r.poll(t)
	}
	f := r.State.Line(stream).Failures
	if len(f) != 1 || f[0].Compose != "fedora-43-20261122.n.0" || !strings.Contains(f[0].Reason, "had not ended") {
		t.Errorf("%+v, told %q", f, r.told)
	}
	if n := strings.Count(strings.Join(r.told, "\n"), "still at work"); n != 2 {
		t.Errorf("told %q", r.told)
	}
	_ = lock.Close()
	r.poll(t)
	r.want(t, "the lock is free", "20261123.n.0")
}

// TestScheduleLosesNoFailure: a history that is away has it later, and the command
// is not run again for that.
func TestScheduleLosesNoFailure(t *testing.T) {
	r := newRig(t, `echo x >>"$0.begun"; exit 7`)
	r.poll(t)
	r.now = r.now.AddDate(0, 0, 1)
	r.fails = errors.New("no history")
	for range 2 {
		if err := r.schedule(t).Poll(t.Context()); err == nil {
			t.Error("it says nothing")
		}
	}
	r.fails = nil
	r.poll(t)
	r.poll(t)
	if f := r.State.Line(stream).Failures; len(f) != 1 || f[0].Compose != "fedora-43-20261122.n.0" {
		t.Errorf("%+v, told %q", f, r.told)
	}
	if raw, _ := os.ReadFile(r.config.Command[1] + ".begun"); len(raw) != 2 {
		t.Errorf("it ran %d times", len(raw)/2)
	}
}

// TestScheduleRunsNothingTwiceOnAFullDisk: not what cannot be remembered to have
// begun, nor what cannot be remembered to have ended.
func TestScheduleRunsNothingTwiceOnAFullDisk(t *testing.T) {
	r := newRig(t, `echo x >>"$0.begun"
`+makes)
	r.poll(t)
	r.now = r.now.AddDate(0, 0, 1)
	full := filepath.Join(r.work, "last.json.new")
	ran := func() int {
		raw, _ := os.ReadFile(r.config.Command[1] + ".begun")
		return len(raw) / 2
	}
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	s := r.schedule(t)
	for i := range 10 {
		if err := s.Poll(t.Context()); (err == nil) != (i%2 == 1) {
			t.Errorf("look %d: %v", i, err)
		}
		if i%2 == 1 {
			r.now = r.now.Add(lastRetry)
		}
	}
	if ran() != 0 {
		t.Errorf("before it began: %d times", ran())
	}
	put(t, r.config.Command[1], "set -e\necho x >>\"$0.begun\"\nmkdir "+full+"\n"+makes)
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(lastRetry)
	for range 5 {
		if err := s.Poll(t.Context()); err == nil {
			t.Error("it cannot be remembered, and says nothing")
		}
		r.now = r.now.Add(lastRetry)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if err := s.Poll(t.Context()); err != nil {
		t.Error(err)
	}
	r.poll(t)
	if r.want(t, "after the command", "20261122.n.0"); ran() != 1 {
		t.Errorf("after it ended: %d times", ran())
	}
}

// TestSchedulePutsItsSecretsNowhere: neither into the command's environment, nor
// where everybody reads what it says.
func TestSchedulePutsItsSecretsNowhere(t *testing.T) {
	r := newRig(t, `env >"$0.env"
`+makes)
	t.Setenv("ASSAY_TOKEN", "hunter2")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	t.Setenv("LC_TIME", "C")
	t.Setenv("ASSAY_COMPOSE_TARGET", "nightly")
	log := filepath.Join(r.work, "fedora-43-20261122.n.0.log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.poll(t)
	r.now = r.now.AddDate(0, 0, 1)
	r.poll(t)
	env, err := os.ReadFile(r.config.Command[1] + ".env")
	if err != nil || strings.Contains(string(env), "hunter2") {
		t.Errorf("%v: %s", err, env)
	}
	for _, want := range []string{"PATH=", "LC_TIME=C", "ASSAY_COMPOSE_TARGET=nightly", "ASSAY_COMPOSE=fedora-43-20261122.n.0\n"} {
		if !strings.Contains(string(env), want) {
			t.Errorf("no %s: %s", want, env)
		}
	}
	if st, err := os.Stat(log); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// TestScheduleKnowsWhatItComposed: killed when the compose was in its place, it
// remembers the packages of that, and not those of a later list.
func TestScheduleKnowsWhatItComposed(t *testing.T) {
	r := newRig(t, makes)
	list := filepath.Join(r.work, "list")
	put(t, list, "kernel-6.17.1\n")
	r.config.Packages = []string{"/bin/cat", list}
	r.poll(t)
	before := memory{dir: r.work}
	r.now = r.now.AddDate(0, 0, 1)
	r.poll(t)
	last, err := before.recall()
	if err != nil || last.Packages == "" {
		t.Fatal(last, err)
	}
	if err := before.keep(ran{Day: "20261121", Packages: "of days before", Begun: "20261122", BegunPackages: last.Packages}); err != nil {
		t.Fatal(err)
	}
	put(t, list, "kernel-6.17.2\n")
	r.poll(t)
	r.want(t, "a start again", "20261122.n.0")
	r.now = r.now.AddDate(0, 0, 1)
	r.poll(t)
	r.want(t, "the packages changed meanwhile", "20261122.n.0 20261123.n.0")
}

func TestScheduleConfigurations(t *testing.T) {
	r := newRig(t, makes)
	for want, change := range map[string]func(*ScheduleConfig){
		"time of day": func(c *ScheduleConfig) { c.At = "25:00" }, "zone": func(c *ScheduleConfig) { c.Zone = "Nowhere" }, "command": func(c *ScheduleConfig) { c.Command = nil },
		"timeout": func(c *ScheduleConfig) { c.Timeout = 48 * time.Hour }, "into": func(c *ScheduleConfig) { c.Into = "there" }, "work": func(c *ScheduleConfig) { c.Work = "here" },
		"no policy": func(c *ScheduleConfig) { c.Stream = "other" },
	} {
		c := r.config
		change(&c)
		if _, err := NewSchedule("nightly", c, time.Now, Options{Policies: []*release.Policy{r.Policy}, Record: r}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	r.config.Into, r.config.Work = "/none", "/dev/null"
	if err := r.schedule(t).IsThere(); err == nil || !strings.Contains(err.Error(), "into: stat /none") || !strings.Contains(err.Error(), `work "/dev/null": want a folder`) {
		t.Error(err)
	}
}
