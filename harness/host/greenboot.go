package host

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"assay/harness/guest"
)

// BootHealth is greenboot's account of a boot.
type BootHealth struct {
	Green bool
	// Failed are the scripts that failed, each with its exit status, in order.
	Failed []FailedScript
}

// FailedScript is one health check of greenboot that failed.
type FailedScript struct {
	Name string
	Exit string
}

// ErrNoBootHealth means that greenboot said nothing of this boot, or is not there.
var ErrNoBootHealth = errors.New("greenboot says nothing of this boot")

var (
	greenVerdict = regexp.MustCompile(`Boot Status is (GREEN|RED)\b`)
	greenScript  = regexp.MustCompile(`greenboot\[\d+\]: Script '([^']+)' FAILURE \(exit code '(\d+)'\)`)
)

// Health asks greenboot how this boot went.
func Health(ctx context.Context, g guest.Guest) (BootHealth, error) {
	const program = "/usr/libexec/greenboot/greenboot-status"
	r, err := guest.Ask(ctx, g, program)
	switch {
	case err != nil:
		return BootHealth{}, err
	case r.Exit == 127:
		return BootHealth{}, ErrNoBootHealth
	case !r.OK():
		return BootHealth{}, &guest.CommandError{Args: []string{program}, Result: r}
	}
	return ParseBootHealth(r.Stdout)
}

// ParseBootHealth reads what greenboot-status prints: its own lines or those of
// the journal. The last verdict counts.
func ParseBootHealth(text string) (BootHealth, error) {
	verdicts := greenVerdict.FindAllStringSubmatch(text, -1)
	if len(verdicts) == 0 {
		return BootHealth{}, fmt.Errorf("%w: %.120q", ErrNoBootHealth, text)
	}
	h := BootHealth{Green: verdicts[len(verdicts)-1][1] == "GREEN"}
	for _, m := range greenScript.FindAllStringSubmatch(text, -1) {
		h.Failed = append(h.Failed, FailedScript{Name: m[1], Exit: m[2]})
	}
	return h, nil
}
