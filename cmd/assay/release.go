package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/engine"
	"assay/reports"
)

func newReleaseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "release",
		Short: "See what is released and why, and override it",
		Long: `What is released follows from the policy, the history and the time; these
commands show it, and record what people say against it. Every change says first
what it would record, and needs --yes or a yes at the terminal. It is carried out
by ` + "`assay serve`" + `.`,
		Example: `  assay release status
  assay release explain 20261121_01
  assay release waive 20261121_01 storage/resize --reason "the check is wrong" --link https://bugs.example/812 --until 14d`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStatusCommand(), newExplainCommand(), newDecideCommand(), newPromoteCommand(), newWithdrawCommand(), newRevokeCommand(), newLiftCommand(),
		newWaiveCommand(), newUnwaiveCommand(), newBlockCommand(), newUnblockCommand(), newRebuildCommand(), newReopenCommand(), newDropCommand())
	return c
}

// asOf is the state and the time that a question is about.
func (s *stage) asOf(c *cobra.Command, at string) (*release.State, time.Time, error) {
	if at == "" {
		return s.state, s.now(), nil
	}
	t, err := parseMoment(at, time.Time{})
	if err != nil {
		return nil, t, usagef("--at: %w", err)
	}
	st := release.NewStateAsOf(t)
	if err := st.CatchUp(c.Context(), s.log); err != nil {
		return nil, t, err
	}
	return st, t, nil
}

func newExplainCommand() *cobra.Command {
	f := &stageFlags{}
	var at string
	c := &cobra.Command{
		Use:   "explain BUILD",
		Short: "Say why a build is released, or why not; now, or at any time past",
		Example: `  assay release explain 20261121_01
  assay release explain 20261121_01 --at 2026-11-24T14:00:00Z`,
		Args: oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.close()
			p, err := s.policy()
			if err != nil {
				return err
			}
			b, err := s.build(p, args[0])
			if err != nil {
				return err
			}
			st, now, err := s.asOf(c, at)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(c, explained(p, st, b.ID, now))
			}
			_, err = io.WriteString(c.OutOrStdout(), release.Explain(p, st, b.ID, now))
			return err
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.jsonTo(c)
	c.Flags().StringVar(&at, "at", "", "as of this `TIME`, with what was known then")
	return c
}

// explanation is Explain for programs.
type explanation struct {
	At        time.Time         `json:"at"`
	Judgement release.Judgement `json:"judgement"`
	Decision  release.Decision  `json:"decision"`
	Text      string            `json:"text"`
}

func explained(p *release.Policy, st *release.State, id release.BuildID, now time.Time) explanation {
	out := explanation{At: now, Decision: release.Decide(p, st, now), Text: release.Explain(p, st, id, now)}
	out.Judgement = release.Judgement{Stream: p.Stream, Build: id, Standing: release.Refused, Reasons: []release.Reason{{Code: release.ReasonUnannounced, Text: "it was not known"}}}
	if b := st.Line(p.Stream).Build(id); b != nil {
		out.Judgement = release.JudgeBuild(p, b, now)
	}
	return out
}

func newDecideCommand() *cobra.Command {
	f := &stageFlags{}
	var at string
	c := &cobra.Command{
		Use:   "decide [STREAM...]",
		Short: "Say what would be decided now, or at any time; records nothing",
		Example: `  assay release decide
  assay release decide fedora-43 --at 2026-11-24T14:00:00Z --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.close()
			policies, err := s.policies(args)
			if err != nil {
				return err
			}
			st, now, err := s.asOf(c, at)
			if err != nil {
				return err
			}
			all := []release.Decision{}
			for _, p := range policies {
				all = append(all, release.Decide(p, st, now))
			}
			if f.json {
				return printJSON(c, all)
			}
			out := c.OutOrStdout()
			for _, d := range all {
				fmt.Fprintln(out, reports.Line(d.Text(), 1000))
				for _, r := range d.Reasons[min(1, len(d.Reasons)):] {
					fmt.Fprintf(out, "  - %s\n", reports.Line(r.Text, 1000))
				}
				for _, j := range d.Candidates[:min(len(d.Candidates), 20)] {
					why := ""
					if len(j.Reasons) > 0 {
						why = ": " + j.Reasons[0].Text
					}
					fmt.Fprintf(out, "  %s %s%s\n", j.Build, j.Standing, reports.Line(why, 400))
				}
			}
			return nil
		},
	}
	f.addTo(c)
	f.jsonTo(c)
	c.Flags().StringVar(&at, "at", "", "as of this `TIME`, with what was known then; a time to come shows what would happen if nothing else did")
	return c
}

// policies are those of the streams named, or all.
func (s *stage) policies(names []string) (out []*release.Policy, err error) {
	if len(names) == 0 {
		return s.cfg.Streams(), nil
	}
	for _, n := range names {
		p, err := policyOf(s.cfg, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func newStatusCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "status [STREAM...]",
		Short: "Show what is out, what comes next, and what waits for whom",
		Example: `  assay release status
  assay release status fedora-43 --json | jq -r '.[0].out.build'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.close()
			policies, err := s.policies(args)
			if err != nil {
				return err
			}
			known := adapterNames(s.cfg)
			all := []streamStatus{}
			for _, p := range policies {
				all = append(all, standingOf(p, s.state, known, s.now()))
			}
			if f.json {
				return printJSON(c, all)
			}
			for i, st := range all {
				if i > 0 {
					fmt.Fprintln(c.OutOrStdout())
				}
				if err := st.text(c.OutOrStdout()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.addTo(c)
	f.jsonTo(c)
	return c
}

// streamStatus is a stream's status with what is on its way.
type streamStatus struct {
	release.Status
	Decision string `json:"decision"`
	// Requests are promotions that people asked for and that are not met.
	Requests []requestStatus `json:"requests,omitempty"`
	// Waiting is what the world outside is owed.
	Waiting []waiting `json:"waiting,omitempty"`
	// Findings are damage of the history that nobody has acknowledged.
	Findings []release.Finding `json:"findings,omitempty"`
}

type requestStatus struct {
	Request string          `json:"request"`
	Build   release.BuildID `json:"build"`
	By      release.Actor   `json:"by"`
	At      time.Time       `json:"at"`
	Reason  string          `json:"reason"`
}

// waiting is an effect that has not happened.
type waiting struct {
	Key     release.EffectKey `json:"key"`
	Attempt int               `json:"attempt"`
	Due     time.Time         `json:"due,omitzero"`
	Error   string            `json:"error,omitempty"`
	// Unconfigured means that nothing will do it: there is no such adapter.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

func standingOf(p *release.Policy, st *release.State, known map[engine.Target]bool, now time.Time) streamStatus {
	out := streamStatus{Status: release.StatusOf(p, st, now), Decision: release.Decide(p, st, now).Text(), Findings: st.Findings()}
	for _, r := range st.Line(p.Stream).Promotions() {
		out.Requests = append(out.Requests, requestStatus{r.Request, r.Build, r.By, r.At, r.Reason})
	}
	for _, e := range release.Effects(p, st, now) {
		out.Waiting = append(out.Waiting, waiting{e.Key, e.Attempt, e.Due, e.LastError, !known[engine.Target{Kind: e.Kind, Name: e.Target}]})
	}
	return out
}

func (st streamStatus) text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, reports.Line(fmt.Sprintf(format, args...), 600))
	}
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
	fmt.Fprintf(w, "%s\n", st.Stream)
	switch {
	case st.Out == nil:
		row("out", "nothing")
	case st.Published:
		row("out", "%s, since %s", st.Out.Build, day(st.Out.At))
	default:
		row("out", "%s, decided %s, not yet published everywhere", st.Out.Build, day(st.Out.At))
	}
	if st.Next != nil {
		row("next date", "%s", day(st.Next.At))
	}
	row("now", "%s", st.Decision)
	for _, x := range st.Warnings {
		row("warning", "%s", x)
	}
	for _, f := range st.Findings {
		row("damage", "%s", f.Text)
	}
	for _, r := range st.Requests {
		row("asked for", "%s by %s: %s [%s]", r.Build, r.By, r.Reason, r.Request)
	}
	for _, b := range st.Bugs {
		row("bug", "%s %s %s", b.Subject, b.Ref, b.URL)
	}
	for _, x := range st.Waiting {
		switch {
		case x.Unconfigured:
			row("waits", "%s: no adapter is configured for it", x.Key)
		case x.Error != "":
			row("waits", "%s: attempt %d at %s; the last failed: %s", x.Key, x.Attempt, day(x.Due), x.Error)
		default:
			row("waits", "%s", x.Key)
		}
	}
	return w.Flush()
}

func newPromoteCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var now, older bool
	c := &cobra.Command{
		Use:   "promote BUILD",
		Short: "Ask for the release of one build",
		Long: `Asks for the release of this build and no other. It still has to pass: what
speaks against it has to be waived by name. While no release date is open this
would be a release outside the cadence; say --out-of-band if that is meant.
A request that is not met stands until it is (see ` + "`assay release withdraw`" + `).`,
		Example: `  assay release promote 20261121_01 --reason "newest is known to be slow"
  assay release promote 20261122_02 --out-of-band --reason "CVE-2026-1234" --link https://bugs.example/900`,
		Args: oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			word, err := w.word()
			if err != nil {
				return err
			}
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.close()
			p, err := s.policy()
			if err != nil {
				return err
			}
			b, err := s.build(p, args[0])
			if err != nil {
				return err
			}
			if j := release.JudgeBuild(p, b, s.now()); j.Standing != release.Good {
				s.stderr("%s is %s at present, and is not released before that changes:", b.ID, j.Standing)
				for _, r := range j.Reasons {
					s.stderr("  - %s", reports.Line(r.Text, 400))
				}
			}
			return s.change(c, p, func(st *release.State, at time.Time) ([]release.Fact, error) {
				l := st.Line(p.Stream)
				for _, r := range l.Promotions() {
					if r.Build == b.ID {
						return nil, &refusedError{fmt.Errorf("%s was asked for already, by %s: %s", b.ID, r.By, r.Reason)}
					}
				}
				if d := release.Decide(p, st, at); d.Slot == nil && !now {
					return nil, &refusedError{fmt.Errorf("no release date of %s is open (%s): add --out-of-band to release %s all the same", p.Stream, d.Text(), b.ID)}
				}
				return []release.Fact{&release.PromotionRequested{Request: requestName(b.ID, at), Build: b.ID, Word: word, Older: older}}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	c.Flags().BoolVar(&now, "out-of-band", false, "also while no release date is open")
	c.Flags().BoolVar(&older, "older", false, "although it is older than what is out")
	return c
}

// requestName is unique: nobody asks twice in one second.
func requestName(b release.BuildID, at time.Time) string {
	return fmt.Sprintf("%s-%s", b, at.UTC().Format("20060102T150405Z"))
}

func newWithdrawCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "withdraw BUILD",
		Short:   "Take back a promotion that was asked for and is not met yet",
		Example: `  assay release withdraw 20261121_01 --reason "the fix was not in it"`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.build(p, args[0])
				if err != nil {
					return nil, err
				}
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, r := range st.Line(p.Stream).Promotions() {
						if r.Build == b.ID {
							out = append(out, &release.PromotionWithdrawn{Request: r.Request, Word: word})
						}
					}
					if len(out) == 0 {
						return nil, &refusedError{fmt.Errorf("nobody has asked for %s, or it was released", b.ID)}
					}
					return out, nil
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

// onStream records what a command makes of one stream.
func onStream(c *cobra.Command, f *stageFlags, w *wordFlags, prepare func(*stage, *release.Policy, release.Word) (decider, error)) error {
	word, err := w.word()
	if err != nil {
		return err
	}
	s, err := f.open(c)
	if err != nil {
		return err
	}
	defer s.close()
	p, err := s.policy()
	if err != nil {
		return err
	}
	decide, err := prepare(s, p, word)
	if err != nil {
		return err
	}
	return s.change(c, p, decide)
}

func newRevokeCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "revoke BUILD",
		Short: "Take a release back: the one before is the release again",
		Long: `Takes a release back. The one before is published again in its place, pages and
metadata say what was bad and why, the bug is filed, and the build is not
released again unless the revocation is lifted (` + "`assay release lift`" + `).`,
		Example: `  assay release revoke 20261121_01 --reason "does not boot on UEFI" --link https://bugs.example/901`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onBuild(c, f, w, args[0], func(b release.BuildID, word release.Word) release.Fact {
				return &release.ReleaseRevoked{Build: b, Word: word}
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

func newLiftCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "lift BUILD",
		Short:   "Let a revoked build be released again",
		Example: `  assay release lift 20261121_01 --reason "the firmware was at fault" --link https://bugs.example/901`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onBuild(c, f, w, args[0], func(b release.BuildID, word release.Word) release.Fact {
				return &release.RevocationLifted{Build: b, Word: word}
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

type waive struct {
	stageFlags
	wordFlags
	until    string
	artifact string
	force    bool
}

func newWaiveCommand() *cobra.Command {
	o := &waive{}
	c := &cobra.Command{
		Use:   "waive BUILD CHECK...",
		Short: "Let a build pass in spite of the checks named",
		Long: `Lets one build pass in spite of checks that failed, until a time. It is refused
while the test still runs (--force waives all the same), and where the policy
does not let you.`,
		Example: `  assay release waive 20261121_01 storage/resize --reason "the check is wrong" --link https://bugs.example/812 --until 14d
  assay release waive 20261121_01 base/clock --artifact qcow2/x86_64 --reason "no RTC there" --link https://bugs.example/7 --until 2026-12-01`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("want BUILD and at least one CHECK; see `%s --help`", c.CommandPath())
			}
			if o.link == "" || o.until == "" {
				return usagef("a waiver has a tracker link and an end: --link URL --until 14d")
			}
			return onStream(c, &o.stageFlags, &o.wordFlags, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.build(p, args[0])
				if err != nil {
					return nil, err
				}
				end, err := parseMoment(o.until, s.now())
				if err != nil {
					return nil, usagef("--until: %w", err)
				}
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, check := range args[1:] {
						id := reports.CaseID(check)
						if !wasAsked(st.Line(p.Stream).Build(b.ID), id) && !o.force {
							return nil, &refusedError{fmt.Errorf("no test of %s has an answer to %q: look at `assay build show %[1]s`, or add --force", b.ID, check)}
						}
						out = append(out, &release.CheckWaived{Waiver: waiverName(st.Line(p.Stream), b.ID, id, release.ArtifactID(o.artifact)), Build: b.ID, Check: id,
							Artifact: release.ArtifactID(o.artifact), Word: word, Expires: end, Forced: o.force})
					}
					return out, nil
				}, nil
			})
		},
	}
	o.stageFlags.addTo(c)
	o.streamTo(c)
	o.changeTo(c)
	o.wordFlags.addTo(c)
	c.Flags().StringVar(&o.until, "until", "", "when it ends: 14d, or a `TIME` (needed)")
	c.Flags().StringVar(&o.artifact, "artifact", "", "for this artifact alone: `KIND/ARCH`")
	c.Flags().BoolVar(&o.force, "force", false, "although the test still runs, or never asked that check")
	return c
}

// wasAsked reports whether a check was asked or is missing by name: a waiver of a
// misspelt check would help nobody.
func wasAsked(b *release.Build, id reports.CaseID) bool {
	for _, a := range b.Artifacts {
		ans := a.Answer()
		if ans == nil {
			return true // Allow says whether that may be
		}
		if slices.Contains(ans.Passed, id) || slices.Contains(ans.PassedAdvisory, id) ||
			slices.ContainsFunc(ans.Cases, func(c release.Case) bool { return c.Check == id }) {
			return true
		}
	}
	return false
}

// waiverName is the first free name for a waiver.
func waiverName(l *release.Line, b release.BuildID, check reports.CaseID, a release.ArtifactID) string {
	name := fmt.Sprintf("%s:%s", b, check)
	if a != "" {
		name += ":" + string(a)
	}
	for n := 1; ; n++ {
		if try := fmt.Sprintf("%s#%d", name, n); l.Waiver(try) == nil {
			return try
		}
	}
}

func newUnwaiveCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "unwaive BUILD CHECK...",
		Short:   "Withdraw waivers before their time",
		Example: `  assay release unwaive 20261121_01 storage/resize --reason "the check was right"`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("want BUILD and at least one CHECK; see `%s --help`", c.CommandPath())
			}
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.build(p, args[0])
				if err != nil {
					return nil, err
				}
				return func(st *release.State, _ time.Time) (out []release.Fact, err error) {
					for _, check := range args[1:] {
						found := false
						for _, x := range st.Line(p.Stream).Build(b.ID).Waivers {
							if string(x.Check) == check && x.Withdrawn == nil {
								found = true
								out = append(out, &release.WaiverWithdrawn{Waiver: x.Waiver, Word: word})
							}
						}
						if !found {
							return nil, &refusedError{fmt.Errorf("%s of %s is not waived", check, b.ID)}
						}
					}
					return out, nil
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

func newBlockCommand() *cobra.Command {
	return streamWord("block [STREAM]", "Stop all releases of a stream", `  assay release block fedora-43 --reason "kernel regression, see list" --link https://bugs.example/33`,
		func(w release.Word) release.Fact { return &release.StreamBlocked{Word: w} })
}

func newUnblockCommand() *cobra.Command {
	return streamWord("unblock [STREAM]", "Let a stream release again", `  assay release unblock fedora-43 --reason "the kernel is fixed"`,
		func(w release.Word) release.Fact { return &release.StreamUnblocked{Word: w} })
}

func streamWord(use, short, example string, fact func(release.Word) release.Fact) *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("want one STREAM, got %d; see `%s --help`", len(args), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			f.stream = strings.Join(args, "")
			return onStream(c, f, w, func(_ *stage, _ *release.Policy, word release.Word) (decider, error) {
				return func(*release.State, time.Time) ([]release.Fact, error) { return []release.Fact{fact(word)}, nil }, nil
			})
		},
	}
	f.addTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

func newReopenCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var after string
	c := &cobra.Command{
		Use:     "reopen",
		Short:   "Let release dates count again that a wrong clock has closed",
		Example: `  assay release reopen --stream fedora-43 --after 2026-11-21 --reason "the host's clock was a year ahead"`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := parseMoment(after, time.Time{})
			if err != nil {
				return usagef("--after: %w", err)
			}
			return onStream(c, f, w, func(*stage, *release.Policy, release.Word) (decider, error) {
				word, err := w.word()
				return func(*release.State, time.Time) ([]release.Fact, error) {
					return []release.Fact{&release.SlotsReopened{After: t, Word: word}}, nil
				}, err
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	c.Flags().StringVar(&after, "after", "", "dates after this `TIME` (needed)")
	return c
}

func newDropCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "drop EFFECT",
		Short: "Give an effect up that cannot happen any more",
		Long: `Gives an effect up, by its key as ` + "`assay release status`" + ` shows it: a mirror that is
gone, a tracker that was switched off. A dropped signature keeps the release from
being published.`,
		Example: `  assay release drop publish/mirror/fedora-43/20261121_01/7/images --reason "the mirror is gone"`,
		Args:    oneArg("EFFECT"),
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(_ *stage, p *release.Policy, word release.Word) (decider, error) {
				return func(st *release.State, now time.Time) ([]release.Fact, error) {
					var keys []string
					for _, e := range release.Effects(p, st, now) {
						if string(e.Key) == args[0] {
							return []release.Fact{&release.EffectDropped{Key: e.Key, Word: word}}, nil
						}
						keys = append(keys, string(e.Key))
					}
					return nil, usagef("%s owes no effect %q, only %q", p.Stream, args[0], keys)
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

// errNothingToWaive means that a rebuilt build has no failure that a name could
// be given.
var errNothingToWaive = errors.New("nothing that speaks against it can be waived by name")

func newRebuildCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Say what becomes of a build of the signing build system that did not pass",
		Long: `For streams that follow another and are rebuilt in a signing build system: when a
rebuilt build did not pass, a person says what happens. redo asks for another
rebuild of the same content; rework sets this one aside and waits for one that the
build system made differently; release lets it out, by waiving what failed.`,
		Example: `  assay release rebuild redo 20261121_01 --stream centos-atomic --reason "the builder ran out of disk"
  assay release rebuild release 20261122_01 --stream centos-atomic --reason "flaky" --link https://bugs.example/5 --until 7d`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRedoCommand(), newReworkCommand(), newReleaseAnywayCommand())
	return c
}

func newRedoCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:     "redo UPSTREAM-BUILD",
		Short:   "Ask for another rebuild of an upstream build",
		Example: `  assay release rebuild redo 20261121_01 --stream centos-atomic --reason "the builder ran out of disk"`,
		Args:    oneArg("UPSTREAM-BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := release.ParseBuildID(args[0])
			if err != nil {
				return &usageError{err}
			}
			return onStream(c, f, w, func(_ *stage, p *release.Policy, word release.Word) (decider, error) {
				if p.Follow == nil {
					return nil, usagef("%s follows no other stream: it has no rebuilds", p.Stream)
				}
				from := release.BuildRef{Stream: p.Follow.Stream, Build: id}
				return func(st *release.State, _ time.Time) ([]release.Fact, error) {
					asked := st.Line(p.Stream).Rebuilds(from)
					if len(asked) == 0 {
						return nil, &refusedError{fmt.Errorf("no rebuild of %s was asked for yet", from)}
					}
					return []release.Fact{&release.RebuildRequested{Slot: asked[len(asked)-1].Slot, From: from, Number: len(asked) + 1, Word: word}}, nil
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

func newReworkCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	c := &cobra.Command{
		Use:   "rework BUILD",
		Short: "Set a rebuilt build aside and wait for a reworked one",
		Long: `Marks the rebuilt build bad, so that it is not released, and asks for nothing: the
signing build system brings a reworked build of the same content by itself.`,
		Example: `  assay release rebuild rework 20261122_01 --stream centos-atomic --reason "wrong signing key in it"`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				b, err := s.rebuilt(p, args[0])
				return func(*release.State, time.Time) ([]release.Fact, error) {
					return []release.Fact{&release.BuildMarked{Build: b, Mark: release.MarkBad, Word: word}}, nil
				}, err
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	return c
}

// rebuilt finds a build of the signing build system.
func (s *stage) rebuilt(p *release.Policy, name string) (release.BuildID, error) {
	b, err := s.build(p, name)
	if err != nil {
		return "", err
	}
	if b.From == nil {
		return "", usagef("%s %s was not rebuilt from another build", p.Stream, b.ID)
	}
	return b.ID, nil
}

func newReleaseAnywayCommand() *cobra.Command {
	f, w := &stageFlags{}, &wordFlags{}
	var until string
	c := &cobra.Command{
		Use:     "release BUILD",
		Short:   "Let a rebuilt build out, by waiving every check that speaks against it",
		Example: `  assay release rebuild release 20261122_01 --stream centos-atomic --reason "flaky" --link https://bugs.example/5 --until 7d`,
		Args:    oneArg("BUILD"),
		RunE: func(c *cobra.Command, args []string) error {
			if w.link == "" || until == "" {
				return usagef("a waiver has a tracker link and an end: --link URL --until 7d")
			}
			return onStream(c, f, w, func(s *stage, p *release.Policy, word release.Word) (decider, error) {
				id, err := s.rebuilt(p, args[0])
				if err != nil {
					return nil, err
				}
				end, err := parseMoment(until, s.now())
				if err != nil {
					return nil, usagef("--until: %w", err)
				}
				return func(st *release.State, now time.Time) (out []release.Fact, err error) {
					l := st.Line(p.Stream)
					for _, r := range release.JudgeBuild(p, l.Build(id), now).Reasons {
						if r.Check != "" {
							out = append(out, &release.CheckWaived{Waiver: waiverName(l, id, r.Check, r.Artifact), Build: id, Check: r.Check, Artifact: r.Artifact, Word: word, Expires: end})
						}
					}
					if len(out) == 0 {
						return nil, &refusedError{fmt.Errorf("%s %s: %w: see `assay release explain %[2]s`", p.Stream, id, errNothingToWaive)}
					}
					return out, nil
				}, nil
			})
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.changeTo(c)
	w.addTo(c)
	c.Flags().StringVar(&until, "until", "", "when the waivers end: 7d, or a `TIME` (needed)")
	return c
}
