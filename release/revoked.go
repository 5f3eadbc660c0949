package release

import (
	"slices"
	"time"
)

// RevocationAge is how long a revocation is news: pages and status warn of it so
// long, and a channel that is added to a policy later does not tell of all there
// ever were.
const RevocationAge = 30 * 24 * time.Hour

// announceKey is the announcement that follows from one event: a decision or a
// revocation.
func announceKey(c Channel, cause uint64) EffectKey { return key(EffectAnnounce, c.Name, cause) }

// revocationEffects announces the revocations that change nothing of what is out,
// and those that another release overtook before they were announced. The
// announcement of what is out now says nothing of them, and machines may run
// what was revoked all the same.
func revocationEffects(p *Policy, l *Line, now time.Time, add func(Effect)) {
	present := l.LastRevoked()
	for i, r := range l.Releases {
		switch {
		case r.Revoked == nil || r == present:
			continue // what follows from this one is announced with the fallback
		case slices.ContainsFunc(l.Releases[i+1:], func(o *Release) bool { return o.Revoked != nil && o.Revoked.Seq == r.Revoked.Seq }):
			continue // the build was released again, and the words are of both
		case !wasSeen(p, l, r) || !isReplaced(p, l, r):
			continue
		}
		for _, c := range p.Announce {
			k := announceKey(c, r.Revoked.Seq)
			if wasTold(l, c, r) || now.Sub(r.Revoked.At) > RevocationAge && l.Effect(k).Attempt == 0 {
				continue
			}
			add(Effect{Key: k, Kind: EffectAnnounce, Target: c.Name, Announce: revokedWork(p, l, r)})
		}
	}
}

// wasTold reports whether a channel told of a revocation with a fallback.
func wasTold(l *Line, c Channel, r *Release) bool {
	return slices.ContainsFunc(l.turns, func(t Turn) bool {
		x := l.Effect(announceKey(c, t.Cause))
		return t.Revoked == r && (x.Done != nil || x.Dropped != nil)
	})
}

// wasSeen reports whether any reader can have any of a release: at some target
// a step that shows was begun at least.
func wasSeen(p *Policy, l *Line, r *Release) bool {
	return slices.ContainsFunc(l.turns, func(turn Turn) bool {
		return turn.Release == r && slices.ContainsFunc(p.Targets, func(t Target) bool {
			return slices.ContainsFunc(shownSteps, func(s Step) bool {
				x := l.Effect(publishKey(t, turn.Cause, s))
				return x.Attempt > 0 || x.Done != nil
			})
		})
	})
}

// isReplaced reports whether readers of some target are given something else.
func isReplaced(p *Policy, l *Line, r *Release) bool {
	return slices.ContainsFunc(p.Targets, func(t Target) bool {
		shown, ok := l.ShownAt(t)
		return ok && shown.Release != r
	})
}

// RevokedBefore are releases that were revoked not long ago, when they were not
// out any more: no fallback told of them. Newest first.
func (l *Line) RevokedBefore(now time.Time) (out []*Release) {
	present := l.LastRevoked()
	for _, r := range slices.Backward(l.Releases) {
		if r.Revoked == nil || r == present || now.Sub(r.Revoked.At) > RevocationAge {
			continue
		}
		if since, _ := l.WasOut(r); since.IsZero() {
			continue
		}
		if slices.ContainsFunc(l.turns, func(t Turn) bool { return t.Cause == r.Revoked.Seq }) {
			continue // it was out
		}
		if slices.ContainsFunc(out, func(o *Release) bool { return o.Build == r.Build }) || l.out != nil && l.out.Build == r.Build {
			continue
		}
		out = append(out, r)
	}
	return out
}

// revokedWork is the announcement of a revocation by itself. It names as the
// release to use what readers have, which what is out may not be yet.
func revokedWork(p *Policy, l *Line, r *Release) *AnnounceWork {
	w := &AnnounceWork{Revoked: r, Older: true, Bugs: openBugs(l)}
	w.Since, w.Until = l.WasOut(r)
	for _, t := range p.Targets {
		shown, ok := l.ShownAt(t)
		if !ok || shown.Release == nil || shown.Release.Revoked != nil || shown.Release.Seq <= w.Release.Seq {
			continue
		}
		w.Release, w.Build = *shown.Release, l.Build(shown.Release.Build)
	}
	return w
}
