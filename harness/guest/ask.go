package guest

import (
	"context"
	"fmt"
)

// Ask runs args as root with the default limit.
func Ask(ctx context.Context, g Guest, args ...string) (Result, error) {
	return g.Run(ctx, Command{Args: args})
}

// Output runs args as root and returns its trimmed stdout. A non-zero exit is
// a *CommandError.
func Output(ctx context.Context, g Guest, args ...string) (string, error) {
	r, err := Ask(ctx, g, args...)
	if err != nil {
		return "", err
	}
	if !r.OK() {
		return "", &CommandError{Args: args, Result: r}
	}
	return r.Line(), nil
}

// Has reports whether program is on root's search path in the guest.
func Has(ctx context.Context, g Guest, program string) (bool, error) {
	r, err := Ask(ctx, g, "sh", "-c", `command -v -- "$1" >/dev/null 2>&1`, "sh", program)
	return r.OK(), err
}

// CommandError is a command that ran and failed where the caller wanted its output.
type CommandError struct {
	Args   []string
	Result Result
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%q failed (exit %d): %s", shortened(e.Args), e.Result.Exit, e.Result.Said())
}

// shortArg is how much of an argument a message shows: scripts and patterns
// stand whole in the evidence.
const shortArg = 60

func shortened(args []string) []string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		if r := []rune(a); len(r) > shortArg {
			a = string(r[:shortArg-3]) + "..."
		}
		out = append(out, a)
	}
	return out
}
