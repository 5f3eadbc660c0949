package program

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	out, err := Run(t.Context(), Command{Args: []string{"cat"}, Stdin: strings.NewReader("payload")})
	if err != nil || string(out) != "payload" {
		t.Errorf("%v, %q", err, out)
	}
	for want, c := range map[string]Command{
		"exit status 3: last words": {Args: []string{"sh", "-c", "cat >/dev/null; echo last words >&2; exit 3"}, Stdin: strings.NewReader("secret payload")},
		"it writes too much":        {Args: []string{"head", "-c", "2000000", "/dev/zero"}},
		"executable file not found": {Args: []string{"no-such-program-of-ours"}},
		"six; seven; eight; nine":   {Args: []string{"sh", "-c", "printf '%s\\n' one two three four five six seven eight nine >&2; exit 1"}},
	} {
		_, err := Run(t.Context(), c)
		var failed *Error
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, Command{Args: []string{"tail", "-f", "/dev/null"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
