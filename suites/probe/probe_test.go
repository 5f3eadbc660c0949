package probe

import (
	"context"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
)

func TestOutput(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", "ask", "sh", "x").Prints("said\n").Then().Exits(Missing).Then().Exits(2).Says("bad\n")
	if out, err := Output(context.Background(), g, "asker", "ask", "x"); err != nil || out != "said\n" {
		t.Errorf("got %q, %v", out, err)
	}
	_, err := Output(context.Background(), g, "asker", "ask", "x")
	if j := check.Classify(err); j.Outcome != reports.Skipped || !strings.Contains(j.Message, "no asker") {
		t.Errorf("a missing program is %+v", j)
	}
	_, err = Output(context.Background(), g, "asker", "ask", "x")
	if j := check.Classify(err); j.Fault != reports.FaultTest {
		t.Errorf("a script that fails is %+v", j)
	}
}

func TestWords(t *testing.T) {
	if got := Some([]string{"a", "b", "c", "d"}); got != "a, b, c and 1 more" {
		t.Error(got)
	}
	if got := Some([]string{"a", "b"}); got != "a, b" {
		t.Error(got)
	}
	if p := Pairs("a=1\nnoise\n b = x=y \n"); p["a"] != "1" || p["b"] != "x=y" || len(p) != 2 {
		t.Error(p)
	}
	if got := Lines(" a \n\n b"); len(got) != 2 || got[1] != "b" {
		t.Error(got)
	}
	if got := Clip("abcdef", 3); !strings.HasPrefix(got, "abc\n") || !strings.Contains(got, "6 bytes") {
		t.Error(got)
	}
	if got := Entries([]guest.Entry{{Ident: "sshd", PID: 4, Message: "no"}}); got != "00:00:00 sshd[4]: no\n" {
		t.Errorf("%q", got)
	}
}
