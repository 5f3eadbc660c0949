package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/reports"
)

// Explain tells a person how a build stands at now and why: the text of
// `assay release explain BUILD [--at TIME]`. For a time in the past, give it
// the state as of that time; see NewStateAsOf. The text ends with a line break
// and has no terminal sequences, whatever the history holds.
func Explain(p *Policy, s *State, id BuildID, now time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(reports.Line(fmt.Sprintf(format, args...), 1000))
		b.WriteByte('\n')
	}
	item := func(format string, args ...any) {
		b.WriteString("  - ")
		line(format, args...)
	}
	l := s.Line(p.Stream)
	build := l.Build(id)
	if build == nil {
		line("%s %s is not known at %s.", p.Stream, id, stamp(now))
		return b.String()
	}
	j := JudgeBuild(p, build, now)
	switch {
	case l.Out() != nil && l.Out().Build == id:
		line("%s %s is the release at %s.", p.Stream, id, stamp(now))
	case build.Revoked != nil && wasReleased(l, id):
		line("%s %s was released, and is revoked, at %s: %s", p.Stream, id, stamp(now), first(j.Reasons))
	case j.Standing == Good:
		line("%s %s may be released at %s.", p.Stream, id, stamp(now))
	case j.Standing == Waiting:
		line("%s %s is not released at %s: %s", p.Stream, id, stamp(now), first(j.Reasons))
	default:
		line("%s %s not released at %s: %s", p.Stream, id, stamp(now), first(j.Reasons))
	}
	if build.Compose != "" {
		line("Compose %s, made %s.", build.Compose, stamp(build.Created))
	}
	section := func(title string, rs []Reason) {
		if len(rs) == 0 {
			return
		}
		line("%s", title)
		for _, r := range rs {
			if bug := bugOf(l, r.Check); bug != nil {
				item("%s (bug %s)", r.Text, bug.Ref)
			} else {
				item("%s", r.Text)
			}
		}
	}
	section("Against it:", j.Reasons)
	section("To know:", j.Remarks)
	line("Tests:")
	for _, a := range build.Artifacts {
		item("%s: %s", a.ID, testText(p, a))
	}
	words(build, item, line)
	for _, r := range l.Releases {
		if r.Build != id {
			continue
		}
		line("Released %s as release %d%s:", stamp(r.At), r.Number, forSlot(r)+byPolicy(r))
		for _, t := range r.Reasons {
			item("%s", t)
		}
		if r.Revoked != nil {
			item("revoked by %s", r.Revoked)
		}
	}
	if text := judgedBy(p, l); text != "" {
		line("%s", text)
	}
	d := Decide(p, s, now)
	line("The stream at that time: %s", d.Text())
	return b.String()
}

func wasReleased(l *Line, id BuildID) bool {
	return slices.ContainsFunc(l.Releases, func(r *Release) bool { return r.Build == id })
}

func words(build *Build, item, line func(string, ...any)) {
	if build.Marked == nil && build.Revoked == nil && len(build.Waivers) == 0 {
		return
	}
	line("Said by people:")
	if build.Marked != nil {
		mark := MarkGood
		if build.MarkedBad {
			mark = MarkBad
		}
		item("marked %s by %s", mark, build.Marked)
	}
	if build.Revoked != nil {
		item("revoked by %s", build.Revoked)
	}
	for _, w := range build.Waivers {
		where := "the whole build"
		if w.Artifact != "" {
			where = w.Artifact.String()
		}
		end := "until " + stamp(w.Expires)
		if w.Withdrawn != nil {
			end = "withdrawn by " + w.Withdrawn.String()
		}
		item("%s waived on %s by %s, %s, %s: %s (%s)", w.Check, where, w.By, stamp(w.At), end, w.Reason, w.Tracker)
	}
}

func testText(p *Policy, a *BuildArtifact) string {
	ans := a.Answer()
	_, wanted := p.wanted(a.ID)
	switch {
	case !a.Known:
		return "never announced"
	case !wanted:
		return "not named by the policy"
	case a.Attempt == 0:
		return "no test was asked for"
	case ans == nil:
		return fmt.Sprintf("attempt %d was asked for %s and has no answer", a.Attempt, stamp(a.AskedAt))
	}
	return fmt.Sprintf("%s in attempt %d (run %s): %s", ans.Verdict, a.Attempt, ans.Run, ans.Reason)
}

func forSlot(r *Release) string {
	if r.Slot == "" {
		return ", out of band"
	}
	return " for " + string(r.Slot)
}

func byPolicy(r *Release) string {
	if r.Policy == "" {
		return ""
	}
	return ", by policy " + shortDigest(r.Policy)
}

func bugOf(l *Line, check reports.CaseID) *Bug {
	if check == "" {
		return nil
	}
	for _, b := range l.Bugs() {
		if b.Subject == SubjectOfCheck(check) && b.Ref != "" {
			return b
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
