package release

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Backoff is how long after a failed attempt the next is made: a minute,
// doubled each time, an hour at most, so that a tracker that is down for a day
// costs some thirty attempts.
func Backoff(attempt int) time.Duration {
	d := time.Minute
	for range min(attempt-1, 6) {
		d *= 2
	}
	return min(d, time.Hour)
}

// Effects is what the world outside is owed and does not have yet, sorted by
// key. Those with a Due after now wait: for a failed attempt's back-off, or for
// an attempt that is under way here or elsewhere. What one adapter cannot do
// never keeps another from its work, except that nothing is published unsigned
// and nothing is announced before it is published.
func Effects(p *Policy, s *State, now time.Time) []Effect {
	if p.Check() != nil {
		return nil
	}
	l := s.Line(p.Stream)
	var out []Effect
	add := func(e Effect) {
		x := l.Effect(e.Key)
		if x.Done != nil || x.Dropped != nil {
			return
		}
		e.Stream, e.Attempt, e.Unsure, e.LastError = p.Stream, x.Attempt+1, x.Started, x.LastError
		e.Due = sane(x.Retry, now)
		if lease := sane(x.Lease, now); x.Started && lease.After(e.Due) {
			e.Due = lease
		}
		e.Ready = e.Due
		out = append(out, e)
	}
	rebuildEffects(p, l, add)
	resultEffects(p, l, now, add)
	print := ""
	if len(p.Targets) > 0 && len(l.turns) > 0 {
		print = pagesPrint(p, s, now)
	}
	releaseEffects(p, s, l, print, add)
	revocationEffects(p, l, now, add)
	pagesEffects(p, l, print, add)
	retireEffects(p, s, l, print, add)
	for _, t := range p.Trackers {
		bugEffects(p, l, t, add)
	}
	holdBusyTargets(s, l, out, now)
	slices.SortFunc(out, func(a, b Effect) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return out
}

// maxWait is the longest that an effect can have to wait: what a service may
// ask for, and any lease.
const maxWait = maxPatience + time.Hour

// sane is a moment to wait for, or none: one further off than any wait can be
// was written by a clock that ran ahead.
func sane(t, now time.Time) time.Time {
	if t.After(now.Add(maxWait)) {
		return time.Time{}
	}
	return t
}

// holdBusyTargets keeps effects from one target while another attempt, of any
// stream, may still be at work there.
func holdBusyTargets(s *State, l *Line, effects []Effect, now time.Time) {
	for i := range effects {
		prefix := targetPrefix(effects[i])
		for _, o := range s.streams {
			for k, x := range o.effects {
				if !x.Started || x.Done != nil || o == l && k == effects[i].Key || !strings.HasPrefix(string(k), prefix) {
					continue
				}
				if lease := sane(x.Lease, now); lease.After(effects[i].Due) {
					effects[i].Due = lease
				}
			}
		}
	}
}

// Keys are KIND/TARGET/..., so that the effects on one target share a prefix.
func key(kind EffectKind, target string, rest ...any) EffectKey {
	return EffectKey(string(kind) + "/" + target + "/" + strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintln(rest...), " ", "/"), "\n"))
}

// keyPart is s where it is short, else a name made of it: keys have a limit, and
// subjects hold names that others chose.
func keyPart(s string) string {
	if len(s) <= 200 {
		return s
	}
	return fmt.Sprintf("%.160s-%x", s, sha256.Sum256([]byte(s)))
}

func targetPrefix(e Effect) string { return string(e.Kind) + "/" + e.Target + "/" }

func rebuildEffects(p *Policy, l *Line, add func(Effect)) {
	if p.Follow == nil || !p.Follow.Rebuild {
		return
	}
	for _, r := range l.rebuilds {
		if !r.Asked || r.Failed != nil {
			continue
		}
		q := r.RebuildRequested
		add(Effect{Key: key(EffectRebuild, p.Follow.Rebuilder, q.From.Stream, q.From.Build, q.Number), Kind: EffectRebuild, Target: p.Follow.Rebuilder, Rebuild: &q})
	}
}

// releaseEffects signs, publishes and announces what is out.
func releaseEffects(p *Policy, s *State, l *Line, print string, add func(Effect)) {
	out, revoked := l.Out(), l.LastRevoked()
	if out == nil && revoked == nil {
		return
	}
	cause := l.cause
	work := PublishWork{Revoked: revoked}
	if out != nil {
		work.Release, work.Build, work.Fallback = *out, l.Build(out.Build), revoked != nil
	}
	if out != nil && !isTested(work.Build, out) {
		return
	}
	if out != nil {
		// Nothing is signed that no target may have.
		held := isObjected(s, l, work.Build) && !slices.ContainsFunc(p.Targets, func(t Target) bool { return isSeen(l, t, cause) })
		done := true
		for _, k := range p.Keys {
			kk := key(EffectSign, k.Name, out.Seq)
			if held {
				done = done && l.Effect(kk).Done != nil
				continue
			}
			add(Effect{Key: kk, Kind: EffectSign, Target: k.Name, Sign: signWork(k, work.Build, out)})
			if x := l.Effect(kk); x.Done != nil {
				work.Signed = append(work.Signed, x.Done.Files...)
			} else {
				done = false
			}
		}
		if !done {
			return
		}
	}
	// Nothing is announced that is nowhere to be had.
	announced := slices.ContainsFunc(p.Targets, func(t Target) bool { return l.Effect(publishKey(t, cause, StepPointer)).Done != nil })
	for _, t := range p.Targets {
		step, ok := nextStep(l, t, out, cause)
		if !ok {
			continue
		}
		if !t.AfterAnnounce {
			announced = false
		}
		if isHeld(s, l, work.Build, t, cause) {
			continue
		}
		w := work
		w.Step = step
		if step == StepPointer {
			w.Pages = print
		}
		add(Effect{Key: publishKey(t, cause, step), Kind: EffectPublish, Target: t.Name, Publish: &w})
	}
	if !announced {
		return
	}
	for _, c := range p.Announce {
		add(Effect{Key: announceKey(c, cause), Kind: EffectAnnounce, Target: c.Name, Announce: announceWork(p, l, out, revoked, work.Fallback)})
	}
}

func publishKey(t Target, cause uint64, step Step) EffectKey {
	return key(EffectPublish, t.Name, cause, step)
}

// nextStep is the first step at a target that is not done; ok is false when all
// are, or when a person has given the target up for this release. With nothing
// out, only the pointer moves: to the page that says so.
func nextStep(l *Line, t Target, out *Release, cause uint64) (Step, bool) {
	steps := t.Steps
	switch {
	case out == nil:
		steps = []Step{StepPointer}
	case len(steps) == 0:
		steps = PublishSteps
	}
	for _, step := range PublishSteps {
		if !slices.Contains(steps, step) {
			continue
		}
		if x := l.Effect(publishKey(t, cause, step)); x.Dropped != nil {
			return "", false
		} else if x.Done == nil {
			return step, true
		}
	}
	return "", false
}

// IsPublished reports whether every target that announcements wait for has the
// present release.
func IsPublished(p *Policy, s *State) bool {
	l := s.Line(p.Stream)
	if l.Out() == nil {
		return false
	}
	return !slices.ContainsFunc(p.Targets, func(t Target) bool {
		_, open := nextStep(l, t, l.Out(), l.cause)
		return open && !t.AfterAnnounce
	})
}

// isObjected reports whether something speaks against a release that was
// decided. A block and findings let a fallback through: it takes something
// worse away. What is bad is no fallback.
func isObjected(s *State, l *Line, b *Build) bool {
	switch {
	case b == nil:
		return false // nothing is out, and that is what is published
	case b.MarkedBad || b.Contradiction != "":
		return true
	}
	return (l.Block != nil || len(s.Findings()) > 0) && l.LastRevoked() == nil
}

// isHeld stops a release that was objected to after it was decided, as long as
// no reader has seen any of it at the target. What readers have seen a part of
// is finished, and is taken back by a revocation.
func isHeld(s *State, l *Line, b *Build, t Target, cause uint64) bool {
	return isObjected(s, l, b) && !isSeen(l, t, cause)
}

// shownSteps are those that readers can see.
var shownSteps = []Step{StepRefs, StepImages, StepPointer}

// isSeen reports whether a step is done at the target that readers can see.
func isSeen(l *Line, t Target, cause uint64) bool {
	return slices.ContainsFunc(shownSteps, func(step Step) bool {
		return l.Effect(publishKey(t, cause, step)).Done != nil
	})
}

// SignedFile is a signature or signed checksum file, and the key that made it.
type SignedFile struct {
	Key string
	File
}

// SignedFiles are what signers have made, by the Seq of the release it is for,
// each list sorted by key.
func (l *Line) SignedFiles() map[uint64][]SignedFile {
	out := map[uint64][]SignedFile{}
	for k, x := range l.effects {
		rest, ok := strings.CutPrefix(string(k), string(EffectSign)+"/")
		at := strings.LastIndexByte(rest, '/')
		if x.Done == nil || !ok || at < 0 {
			continue
		}
		seq, err := strconv.ParseUint(rest[at+1:], 10, 64)
		if err != nil {
			continue
		}
		for _, f := range x.Done.Files {
			out[seq] = append(out[seq], SignedFile{rest[:at], f})
		}
	}
	for _, files := range out {
		slices.SortFunc(files, func(a, b SignedFile) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Name, b.Name))
		})
	}
	return out
}

// isTested holds a decision against the build once more: whoever recorded it,
// nothing is published but what was announced with that digest or checksum.
func isTested(b *Build, r *Release) bool {
	if slices.ContainsFunc(r.Commits, func(c Commit) bool { return !slices.Contains(b.Commits, c) }) {
		return false
	}
	return !slices.ContainsFunc(r.Artifacts, func(t Tested) bool {
		a := b.Artifact(t.Artifact)
		return a == nil || !a.Known || a.Digest != t.Digest
	})
}

func signWork(k Key, b *Build, r *Release) *SignWork {
	w := &SignWork{Build: r.Build, Key: k.Name, Commits: r.Commits}
	for _, t := range r.Artifacts {
		if a := b.Artifact(t.Artifact); a != nil && a.Digest == t.Digest {
			w.Artifacts = append(w.Artifacts, a.Artifact)
			if ans := a.Answer(); ans != nil {
				w.Answers = append(w.Answers, *ans)
			}
		}
	}
	return w
}

func announceWork(p *Policy, l *Line, out, revoked *Release, fallback bool) *AnnounceWork {
	w := &AnnounceWork{}
	if fallback || out == nil {
		w.Revoked = revoked
		if revoked != nil {
			w.Since, w.Until = l.WasOut(revoked)
		}
	}
	if out != nil {
		w.Release = *out
		for _, t := range p.Targets {
			if x := l.Effect(publishKey(t, l.cause, StepPointer)).Done; x != nil && len(x.Commits) > 0 {
				w.Release.Commits = x.Commits // as readers get them
				break
			}
		}
		b := l.Build(out.Build)
		arch := out.ManifestArch()
		w.Build = b
		w.PackagesNow = b.PackagesAt(arch)
		if before := l.Build(out.Previous); before != nil {
			w.PackagesBefore = before.PackagesAt(arch)
		}
		w.Known = failuresIn(p, b)
	}
	w.Bugs = openBugs(l)
	return w
}

func openBugs(l *Line) (out []string) {
	for _, b := range l.Bugs() {
		if b.Open {
			out = append(out, cmp.Or(b.URL, b.Ref))
		}
	}
	return out
}
