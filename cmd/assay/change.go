package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/release"
	"assay/reports"
)

// change records what decide makes of the state, after it has said what that is
// and a person has agreed. decide may be asked several times; it gets the time
// to act at.
func (s *stage) change(c *cobra.Command, p *release.Policy, decide func(st *release.State, now time.Time) ([]release.Fact, error)) error {
	who, err := s.flags.who(s.cfg)
	if err != nil {
		return err
	}
	facts, err := s.allowed(p, who, s.state, s.now(), decide)
	if err != nil {
		return err
	}
	if len(facts) == 0 {
		return s.printEvents(c, nil)
	}
	for _, e := range facts {
		s.plan(c, line(e))
	}
	if err := confirm(c, s.flags.yes, who); err != nil {
		return err
	}
	events, err := s.record(c.Context(), p, who, decide)
	if err != nil {
		return err
	}
	return s.printEvents(c, events)
}

// plan says what would be recorded, to whoever has not agreed yet.
func (s *stage) plan(c *cobra.Command, what string) {
	if !s.flags.yes {
		fmt.Fprintf(c.ErrOrStderr(), "to be recorded: %s\n", what)
	}
}

// allowed asks decide, and Allow of each fact. Before them comes the policy, where
// it is not the one that the history has.
func (s *stage) allowed(p *release.Policy, who release.Actor, st *release.State, now time.Time, decide func(*release.State, time.Time) ([]release.Fact, error)) ([]release.Event, error) {
	facts, err := decide(st, now)
	if err != nil {
		return nil, err
	}
	if len(facts) == 0 {
		return nil, nil
	}
	events, err := s.policyEvents(p, st)
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		stream := p.Stream
		if _, ok := f.(*release.HistoryAcknowledged); ok {
			stream = ""
		}
		e, err := release.NewEvent(stream, now, who, f)
		if err != nil {
			return nil, &usageError{err}
		}
		if err := release.Allow(p, st, e, now); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// policyEvents sets the policy, where this process has the history to itself: a
// service, and each process of a cluster, says by which policy it decides.
func (s *stage) policyEvents(p *release.Policy, st *release.State) ([]release.Event, error) {
	if _, remote := s.log.(*remoteLog); remote || s.cfg.History.URL != "" {
		return nil, nil
	}
	return policyEvents(p, st, s.now())
}

func policyEvents(p *release.Policy, st *release.State, now time.Time) ([]release.Event, error) {
	return proposed(p, st, now, func(f release.Fact) bool { return f.Type() == "policy.set" })
}

// proposed are those events that the stage wants to add by itself which are
// wanted here.
func proposed(p *release.Policy, st *release.State, now time.Time, want func(release.Fact) bool) ([]release.Event, error) {
	next, err := release.Next(p, st, now)
	return slices.DeleteFunc(next, func(e release.Event) bool { return !want(e.Fact) }), err
}

// record appends without asking anybody.
func (s *stage) record(ctx context.Context, p *release.Policy, who release.Actor, decide func(*release.State, time.Time) ([]release.Fact, error)) (events []release.Event, err error) {
	err = s.state.Update(ctx, s.log, func(st *release.State) ([]release.Event, error) {
		events, err = s.allowed(p, who, st, s.now(), decide)
		return events, err
	})
	if err != nil && !errors.Is(err, release.ErrNotAllowed) {
		var usage *usageError
		if !errors.As(err, &usage) {
			err = fmt.Errorf("%w; `assay history show --last 5` shows what was recorded", err)
		}
	}
	return events, err
}

// confirm asks, unless the command line said yes already.
func confirm(c *cobra.Command, yes bool, who release.Actor) error {
	if yes {
		return nil
	}
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usagef("nothing was done: this is no terminal to ask at; add --yes to do it")
	}
	fmt.Fprintf(c.ErrOrStderr(), "Record this as %s? [y/N] ", who.Name)
	answer, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return usagef("nothing was done: the answer was no")
}

// recorded is an event for programs. The numbers are those of the history.
type recorded struct {
	ID     string         `json:"id"`
	Type   release.Type   `json:"type"`
	Stream release.Stream `json:"stream,omitempty"`
	Time   time.Time      `json:"time"`
	Actor  release.Actor  `json:"actor"`
	Data   release.Fact   `json:"data"`
}

func (s *stage) printEvents(c *cobra.Command, events []release.Event) error {
	if s.flags.json {
		out := []recorded{}
		for _, e := range events {
			out = append(out, recorded{e.ID, e.Type, e.Stream, e.Time, e.Actor, e.Fact})
		}
		return printJSON(c, out)
	}
	if len(events) == 0 {
		_, err := fmt.Fprintln(c.OutOrStdout(), "nothing to do: the history says so already")
		return err
	}
	for _, e := range events {
		if _, err := fmt.Fprintf(c.OutOrStdout(), "recorded: %s\n", line(e)); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(c *cobra.Command, v any) error {
	enc := json.NewEncoder(c.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// line is an event in one line of plain text, whatever it holds.
func line(e release.Event) string {
	text := fmt.Sprintf("%s: %s", e.Type, tell(e.Fact))
	if e.Stream != "" {
		text = string(e.Stream) + " " + text
	}
	return reports.Line(text, 400)
}

// tell is what a fact says, for a person.
func tell(f release.Fact) string {
	word := func(w release.Word) string {
		if w.Tracker != "" {
			return w.Reason + " (" + w.Tracker + ")"
		}
		return w.Reason
	}
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
	switch f := f.(type) {
	case nil:
		return "of a later version of assay"
	case *release.HistoryOpened:
		return "history " + f.History
	case *release.HistoryAcknowledged:
		return fmt.Sprintf("%d findings: %s", len(f.Findings), f.Reason)
	case *release.PolicySet:
		return fmt.Sprintf("%.19s…, %d bytes", f.Digest, len(f.Text))
	case *release.BuildSeen:
		var parts []string
		if f.Compose != "" {
			parts = append(parts, "compose "+f.Compose)
		}
		for _, a := range f.Artifacts {
			parts = append(parts, fmt.Sprintf("%s %.19s…", a.ID, a.Digest))
		}
		for _, m := range f.Commits {
			parts = append(parts, fmt.Sprintf("%s %.12s…", m.Ref, m.Checksum))
		}
		if f.From != nil {
			parts = append(parts, fmt.Sprintf("rebuild %d of %s", f.Rebuild, f.From))
		}
		return string(f.Build) + ": " + strings.Join(parts, ", ")
	case *release.BuildFailed:
		return fmt.Sprintf("compose %s: %s %s", f.Compose, f.Status, f.Reason)
	case *release.BuildMissing:
		return "no build on " + f.Date
	case *release.PackagesListed:
		return fmt.Sprintf("%s: %d packages for %s", f.Build, len(f.Packages), f.Arch)
	case *release.TestRequested:
		return fmt.Sprintf("%s %s: attempt %d, until %s", f.Build, f.Artifact, f.Attempt, at(f.Deadline))
	case *release.TestAnswered:
		return fmt.Sprintf("%s %s: attempt %d %s: %s", f.Build, f.Artifact, f.Attempt, f.Verdict, f.Reason)
	case *release.CheckWaived:
		where := ""
		if f.Artifact != "" {
			where = " on " + f.Artifact.String()
		}
		return fmt.Sprintf("%s: %s%s until %s: %s [%s]", f.Build, f.Check, where, at(f.Expires), word(f.Word), f.Waiver)
	case *release.WaiverWithdrawn:
		return f.Waiver + ": " + word(f.Word)
	case *release.BuildMarked:
		return fmt.Sprintf("%s is %s: %s", f.Build, f.Mark, word(f.Word))
	case *release.StreamBlocked:
		return word(f.Word)
	case *release.StreamUnblocked:
		return word(f.Word)
	case *release.PromotionRequested:
		older := ""
		if f.Older {
			older = ", though it is older than what is out"
		}
		return fmt.Sprintf("%s%s: %s [%s]", f.Build, older, word(f.Word), f.Request)
	case *release.PromotionWithdrawn:
		return f.Request + ": " + word(f.Word)
	case *release.ReleaseDecided:
		return fmt.Sprintf("%s: %s", f.Build, strings.Join(f.Reasons, "; "))
	case *release.ReleaseRevoked:
		return fmt.Sprintf("%s: %s", f.Build, word(f.Word))
	case *release.RevocationLifted:
		return fmt.Sprintf("%s: %s", f.Build, word(f.Word))
	case *release.ReleasesRetired:
		var ids []string
		for _, b := range f.Builds {
			ids = append(ids, string(b))
		}
		return fmt.Sprintf("from %s: %s: %s", f.Target, strings.Join(ids, ", "), word(f.Word))
	case *release.SlotSkipped:
		return fmt.Sprintf("%s: %s", f.Slot, strings.Join(f.Reasons, "; "))
	case *release.SlotsReopened:
		return fmt.Sprintf("after %s: %s", at(f.After), word(f.Word))
	case *release.RebuildRequested:
		return fmt.Sprintf("rebuild %d of %s for %s: %s", f.Number, f.From, f.Slot, word(f.Word))
	case *release.RebuildFailed:
		return fmt.Sprintf("rebuild %d of %s: %s", f.Number, f.From, f.Reason)
	case *release.EffectStarted:
		return fmt.Sprintf("%s, attempt %d", f.Key, f.Attempt)
	case *release.EffectDone:
		return fmt.Sprintf("%s %s", f.Key, f.URL)
	case *release.EffectFailed:
		return fmt.Sprintf("%s, attempt %d: %s", f.Key, f.Attempt, f.Error)
	case *release.EffectDropped:
		return fmt.Sprintf("%s: %s", f.Key, word(f.Word))
	case *release.BugObserved:
		return fmt.Sprintf("bug %s in %s: open %t, won't fix %t", f.Ref, f.Tracker, f.Open, f.WontFix)
	}
	return ""
}

// wordFlags are the reason and the link that every override takes.
type wordFlags struct{ reason, link string }

func (w *wordFlags) addTo(c *cobra.Command) {
	c.Flags().StringVar(&w.reason, "reason", "", "why, for whoever reads the history and the pages (needed)")
	c.Flags().StringVar(&w.link, "link", "", "where it is discussed: a bug, a mail")
}

// wordy adds the flags of a command that records what a person says of a stream.
func wordy(c *cobra.Command, f *stageFlags, w *wordFlags) *cobra.Command {
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

func (w *wordFlags) word() (release.Word, error) {
	if strings.TrimSpace(w.reason) == "" {
		return release.Word{}, usagef("say why: --reason \"...\"")
	}
	return release.Word{Reason: w.reason, Tracker: w.link}, nil
}
