package guesttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/harness/guest"
)

// Conformance runs the cases that every Guest must pass. open gives a guest
// that runs real commands; the cases write into a temporary folder of it. One
// guest may be given for all calls.
func Conformance(t *testing.T, open func(testing.TB) guest.Guest) {
	for name, c := range map[string]func(context.Context, *testing.T, guest.Guest){
		"exit status and streams": exitAndStreams,
		"arguments arrive as is":  argumentsAsIs,
		"environment":             environment,
		"standard input":          standardInput,
		"output is bounded":       boundedOutput,
		"signal":                  signalled,
		"limit kills":             limitKills,
		"context ends":            contextEnds,
		"files":                   files,
		"many at once":            manyAtOnce,
		"daemon left behind":      daemonLeft,
		"boot id":                 hasBootID,
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t)
			limit := time.Duration(float64(time.Minute) * g.Scale())
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			c(ctx, t, g)
		})
	}
}

func exitAndStreams(ctx context.Context, t *testing.T, g guest.Guest) {
	var out, errs bytes.Buffer
	r, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, Stdout: &out, Stderr: &errs})
	if err != nil || r.Exit != 7 || r.OK() || r.Stdout != "out\n" || r.Stderr != "err\n" || r.Took <= 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if out.String() != "out\n" || errs.String() != "err\n" {
		t.Errorf("streamed %q and %q", out.String(), errs.String())
	}
	if r, err := guest.Ask(ctx, g, "assay-no-such-program"); err != nil || r.Exit != 127 {
		t.Errorf("a missing program gives %+v, %v; want exit status 127", r, err)
	}
	if _, err := guest.Ask(ctx, g); err == nil {
		t.Error("an empty command was run")
	}
}

func argumentsAsIs(ctx context.Context, t *testing.T, g guest.Guest) {
	args := []string{"", " ", "a b", "'", `"`, "$HOME", "`id`", "*", "\\", "a\nb", "-n", "--", "é", "#", "~", "!x", ";", "\x01\x7f\xff"}
	r, err := g.Run(ctx, guest.Command{Args: append([]string{"printf", "%s\\0"}, args...)})
	if want := strings.Join(args, "\x00") + "\x00"; err != nil || r.Stdout != want {
		t.Errorf("got %q, %v; want %q", r.Stdout, err, want)
	}
	if _, err := guest.Ask(ctx, g, "echo", "a\x00b"); err == nil {
		t.Error("an argument with a NUL byte was passed on")
	}
}

func environment(ctx context.Context, t *testing.T, g guest.Guest) {
	r, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", `printf %s "$ONE|$TWO"`},
		Env: map[string]string{"ONE": "1 '\"$x", "TWO": "a=b"}})
	if err != nil || r.Stdout != `1 '"$x|a=b` {
		t.Errorf("got %q, %v", r.Stdout, err)
	}
	if _, err := g.Run(ctx, guest.Command{Args: []string{"true"}, Env: map[string]string{"A=B": "c"}}); err == nil {
		t.Error("a variable with an equals sign in its name was set")
	}
}

func standardInput(ctx context.Context, t *testing.T, g guest.Guest) {
	big := strings.Repeat("0123456789abcde\n", 1<<14)
	r, err := g.Run(ctx, guest.Command{Args: []string{"cat"}, Stdin: strings.NewReader(big)})
	if err != nil || r.Stdout != big {
		t.Errorf("%d bytes came back of %d, %v", len(r.Stdout), len(big), err)
	}
	if r, err = guest.Ask(ctx, g, "cat"); err != nil || r.Stdout != "" {
		t.Errorf("no input gave %q, %v", r.Stdout, err)
	}
	// A command need not read its input.
	if r, err = g.Run(ctx, guest.Command{Args: []string{"true"}, Stdin: strings.NewReader(big)}); err != nil || !r.OK() {
		t.Errorf("unread input gave %+v, %v", r, err)
	}
}

func boundedOutput(ctx context.Context, t *testing.T, g guest.Guest) {
	r, err := g.Run(ctx, guest.Command{Args: []string{"head", "-c", "3000000", "/dev/zero"}, MaxOutput: 1000})
	if err != nil || !r.OK() || !r.Truncated || len(r.Stdout) != 1000 {
		t.Errorf("got exit %d, truncated %v, %d bytes, %v", r.Exit, r.Truncated, len(r.Stdout), err)
	}
	r, err = g.Run(ctx, guest.Command{Args: []string{"head", "-c", "1000", "/dev/zero"}, MaxOutput: 1000})
	if err != nil || r.Truncated || len(r.Stdout) != 1000 {
		t.Errorf("what just fits: truncated %v, %d bytes, %v", r.Truncated, len(r.Stdout), err)
	}
}

func signalled(ctx context.Context, t *testing.T, g guest.Guest) {
	r, err := guest.Ask(ctx, g, "sh", "-c", "kill -KILL $$")
	byName := r.Exit == -1 && r.Signal == "KILL"
	// A shell in between turns it into a status.
	byStatus := r.Exit == 128+9 && r.Signal == ""
	if err != nil || !byName && !byStatus {
		t.Errorf("got %+v, %v", r, err)
	}
}

func limitKills(ctx context.Context, t *testing.T, g guest.Guest) {
	limit := 300 * time.Millisecond
	if g.Scale() > 1 {
		limit = time.Second
	}
	start := time.Now()
	mark := fmt.Sprintf("86%d", start.UnixNano()%1e9)
	r, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", "echo begun; sleep " + mark + " & exec sleep " + mark}, Limit: limit})
	var te *guest.TimeoutError
	if !errors.As(err, &te) || te.Last != "begun" || r.Stdout != "begun\n" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if took, most := time.Since(start), time.Duration(float64(limit)*g.Scale())+5*time.Second; took > most {
		t.Errorf("took %s; want at most %s", took, most)
	}
	// Killed, the background one too: within a while nothing is left of it.
	for {
		r, err := guest.Ask(ctx, g, "sh", "-c", `grep -lsa "sleep.$1" /proc/[0-9]*/cmdline | while read f; do tr '\0' ' ' < $f; done | grep -c "^sleep $1"`, "sh", mark)
		if err != nil {
			t.Fatalf("sleep %s still runs: %v", mark, err)
		}
		if r.Line() == "0" {
			return
		}
	}
}

func contextEnds(ctx context.Context, t *testing.T, g guest.Guest) {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := g.Run(short, guest.Command{Args: []string{"sleep", "100"}, Limit: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want the context's error", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if r, err := guest.Ask(ctx, g, "true"); err != nil || !r.OK() {
		t.Errorf("the guest is of no use afterwards: %+v, %v", r, err)
	}
}

func files(ctx context.Context, t *testing.T, g guest.Guest) {
	dir, err := guest.Output(ctx, g, "mktemp", "-d")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := guest.Output(ctx, g, "rm", "-rf", dir); err != nil {
			t.Error(err)
		}
	}()
	name := path.Join(dir, "it's a \"file\" $x")
	if _, err := g.ReadFile(ctx, name, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
	var all []byte
	for i := range 1 << 12 {
		all = append(all, byte(i), byte(i>>8))
	}
	for _, content := range [][]byte{all, nil} {
		if err := g.WriteFile(ctx, name, bytes.NewReader(content), 0o640|fs.ModeSetgid); err != nil {
			t.Fatal(err)
		}
		got, err := g.ReadFile(ctx, name, int64(len(all)))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back of %d, %v", len(got), len(content), err)
		}
	}
	if mode, err := guest.Output(ctx, g, "stat", "-c", "%a", name); err != nil || mode != "2640" {
		t.Errorf("mode is %s, %v; want 2640", mode, err)
	}
	if err := g.WriteFile(ctx, name, bytes.NewReader(all), 0o600); err != nil {
		t.Fatal(err)
	}
	var large *guest.TooLargeError
	if _, err := g.ReadFile(ctx, name, int64(len(all))-1); !errors.As(err, &large) {
		t.Errorf("a file that is too large gives %v", err)
	}
	if _, err := g.ReadFile(ctx, dir, 10); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder gives %v", err)
	}
	broken := errors.New("the source broke")
	if err := g.WriteFile(ctx, name, &failing{n: 100, err: broken}, 0o600); !errors.Is(err, broken) {
		t.Errorf("content that breaks gives %v", err)
	}
	if err := g.WriteFile(ctx, path.Join(dir, "none", "x"), bytes.NewReader(nil), 0o600); err == nil {
		t.Error("a file was written into a folder that is not there")
	}
	if got, err := g.ReadFile(ctx, name, 1<<20); err != nil || !bytes.Equal(got, all) {
		t.Errorf("broken content changed the file: %d bytes, %v", len(got), err)
	}
	if left, err := guest.Output(ctx, g, "ls", dir); err != nil || strings.Contains(left, "\n") {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// failing gives n bytes and then err.
type failing struct {
	n   int
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, f.err
	}
	n := min(f.n, len(p))
	f.n -= n
	return n, nil
}

func manyAtOnce(ctx context.Context, t *testing.T, g guest.Guest) {
	var all sync.WaitGroup
	for i := range 24 {
		all.Add(1)
		go func() {
			defer all.Done()
			want := fmt.Sprint(i)
			if got, err := guest.Output(ctx, g, "sh", "-c", "sleep 0.05; echo $1", "sh", want); err != nil || got != want {
				t.Errorf("command %d gives %q, %v", i, got, err)
			}
		}()
	}
	all.Wait()
}

// daemonLeft is a command that ends and leaves a process with its streams open.
func daemonLeft(ctx context.Context, t *testing.T, g guest.Guest) {
	start := time.Now()
	r, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", "sleep 20 & echo $!"}, Limit: 15 * time.Second})
	if err != nil || !r.OK() {
		t.Fatalf("got %+v, %v", r, err)
	}
	if took := time.Since(start); took > 12*time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := guest.Ask(ctx, g, "kill", r.Line()); err != nil {
		t.Error(err)
	}
}

func hasBootID(_ context.Context, t *testing.T, g guest.Guest) {
	if len(g.BootID()) != 36 || g.Name() == "" || g.Scale() < 1 {
		t.Errorf("boot id %q, name %q, scale %v", g.BootID(), g.Name(), g.Scale())
	}
}
