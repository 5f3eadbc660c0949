package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"assay/reports"
	"assay/suites/check"
)

// TestMain lets this test binary be the suite child of its own tests.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "fake-child" {
		os.Exit(fakeChild(os.Args[2]))
	}
	if status, ok := Subprocess(context.Background(), os.Args[1:]); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// fakeChild behaves as its argument says.
func fakeChild(how string) int {
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	var spec childSpec
	if err != nil || json.Unmarshal(line, &spec) != nil {
		return 9
	}
	enc := json.NewEncoder(os.Stdout)
	for n, id := range spec.Checks {
		_ = enc.Encode(check.Event{ID: id})
		if n == 1 {
			switch how {
			case "crash":
				fmt.Fprintln(os.Stderr, "panic: out of cheese")
				return 3
			case "hang":
				_, _ = io.Copy(io.Discard, os.Stdin) // the parent closes it
				select {}                            // and this child does not care
			case "garbage":
				fmt.Println("Segmentation fault (core dumped)")
			case "flood":
				fmt.Print(strings.Repeat("x", eventLimit+10))
			case "quit":
				return 0
			}
		}
		_ = enc.Encode(check.Event{ID: id, Done: true, Outcome: reports.Passed})
	}
	return 0
}

func spawnFake(ctx context.Context, t *testing.T, how string) childEnd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sp := spawner{Exe: exe, Args: []string{"fake-child", how}}
	return sp.run(ctx, childSpec{Checks: []reports.CaseID{"s/a", "s/b", "s/c"}}, t.TempDir(), func(check.Event) {})
}

func TestSpawnCollectsAnswers(t *testing.T) {
	end := spawnFake(t.Context(), t, "answer")
	if end.Err != nil || len(end.Done) != 3 || end.Running != nil {
		t.Errorf("%+v; want three answers and no error", end)
	}
}

func TestSpawnSurvivesBadChildren(t *testing.T) {
	for how, says := range map[string]string{
		"crash":   "exit status 3: panic: out of cheese",
		"garbage": "cannot understand",
		"flood":   "longer than",
		"quit":    "answered 1 of 3",
	} {
		end := spawnFake(t.Context(), t, how)
		if end.Err == nil || !strings.Contains(end.Err.Error(), says) {
			t.Errorf("%s: error %v; want %q in it", how, end.Err, says)
		}
		if _, ok := end.Done["s/a"]; !ok || len(end.Done) != 1 {
			t.Errorf("%s: answers %v; want just the first check's", how, end.Done)
		}
		if end.Running == nil || end.Running.ID != "s/b" {
			t.Errorf("%s: running %v; want s/b", how, end.Running)
		}
	}
}

func TestSpawnEndsAHungChild(t *testing.T) {
	cause := errors.New("the guest panicked")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(cause) })
	end := spawnFake(ctx, t, "hang")
	if !errors.Is(end.Err, cause) {
		t.Errorf("error %v; want the cause of the cancellation", end.Err)
	}
}
