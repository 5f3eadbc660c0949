package engine

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// FetchScript gets the page at $1 within $2 seconds, with whatever the image has for that.
const FetchScript = `
if command -v curl >/dev/null 2>&1; then exec curl -fsS -m "$2" "$1"; fi
if command -v wget >/dev/null 2>&1; then exec wget -q -T "$2" -t 1 -O - "$1"; fi
command -v python3 >/dev/null 2>&1 || exit 127
exec python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=int(sys.argv[2])).read().decode())' "$1" "$2"`

// Fetch gets a page from the guest itself, not from a container, within limit
// (on a KVM host). It exits with probe.Missing where the image has no program
// to do so.
func Fetch(ctx context.Context, t *check.T, limit time.Duration, url string) (guest.Result, error) {
	return probe.Run(ctx, t, 2*limit, FetchScript, url, Seconds(t, limit))
}

// Seconds is a limit on a KVM host as a program in this guest is told it.
func Seconds(t *check.T, limit time.Duration) string {
	return strconv.Itoa(int(math.Ceil(limit.Seconds() * t.Scale())))
}

// RegistryURL is a page of the harness's registry that answers whoever asks.
func RegistryURL(t *check.T) string { return "http://" + t.Env.Registry.Addr + "/v2/" }

// answerLimit is for one answer of the registry, on a KVM host.
const answerLimit = time.Minute

// RegistryAnswers asks the harness's registry from the guest itself: what the
// host does not reach is no matter of its containers, and the error is infra.
// known is false when the image has no program to ask with.
func RegistryAnswers(ctx context.Context, t *check.T) (known bool, err error) {
	r, err := Fetch(ctx, t, answerLimit, RegistryURL(t))
	switch {
	case err != nil:
		return false, err
	case r.Exit == probe.Missing:
		t.Log("the host has no program to ask %s with", RegistryURL(t))
		return false, nil
	case !r.OK():
		return true, check.Infraf("the host itself gets no answer from the harness's server at %s: %s", RegistryURL(t), probe.OneLine(r.Said()))
	}
	return true, nil
}

// OfImage is a container's failure to reach the network: the image's, unless
// the guest itself does not reach it either.
func OfImage(ctx context.Context, t *check.T, failure error) error {
	if _, err := RegistryAnswers(ctx, t); err != nil {
		return err
	}
	return failure
}

// registryCommands are those that speak with a registry. They can be asked twice.
var registryCommands = []string{"pull", "push", "login"}

// outOfTime is how engines, whose limits do not know of emulation, say that an
// answer came too late.
var outOfTime = regexp.MustCompile(`(?i)time-?out|timed out|deadline exceeded|request canceled`)

// noAnswer reports whether an engine command failed, by its own words, for want
// of a registry's answer.
func (e Engine) noAnswer(args []string, r guest.Result) bool {
	return !r.OK() && host.ReasonOf(r.Stderr) == host.Unreachable &&
		(slices.Contains(registryCommands, args[0]) || e.t.Env.Registry.Addr != "" && strings.Contains(r.Stderr, e.t.Env.Registry.Addr))
}

// Failed is the failure of an engine command: the image's, unless it is for
// want of an answer that the guest itself does not get either, or that may
// have come too late for an emulated guest.
func (e Engine) Failed(ctx context.Context, purpose string, args []string, r guest.Result) error {
	failure := check.FailWith(strings.Join(args, " ")+"\n"+probe.Clip(r.Stdout+r.Stderr, 4000), "cannot %s: %s", purpose, said(r))
	if !e.noAnswer(args, r) {
		return failure
	}
	if p := e.t.Env.Private; p != nil && p.Addr != "" && strings.Contains(strings.Join(args, " ")+r.Stderr, p.Addr) {
		return check.Infraf("cannot %s: the harness's private registry may not have answered: %s", purpose, r.Said())
	}
	known, err := RegistryAnswers(ctx, e.t)
	switch {
	case err != nil:
		return err
	case !known:
		return check.Infraf("cannot %s: the harness's registry may not have answered: %s", purpose, r.Said())
	case e.t.Scale() > 1 && outOfTime.MatchString(r.Stderr):
		return check.Infraf("cannot %s: the harness's registry answers, but not soon enough for a guest as slow as this one: %s", purpose, r.Said())
	}
	return failure
}
