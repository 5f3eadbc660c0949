package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ReleasesRetired takes the files of old releases from one target, for room.
// The history keeps them, and pages show them as no longer kept.
type ReleasesRetired struct {
	Target string    `json:"target"`
	Builds []BuildID `json:"builds"`
	Word
}

// maxRetired bounds one such word.
const maxRetired = 1000

// Type implements Fact.
func (*ReleasesRetired) Type() Type { return "releases.retired" }

// Validate implements Fact.
func (f *ReleasesRetired) Validate() error {
	v := &validator{}
	v.name("target", f.Target)
	v.count("builds", len(f.Builds), maxRetired)
	if len(f.Builds) == 0 {
		v.check(errors.New("it retires nothing"))
	}
	for i, b := range f.Builds {
		v.check(b.Validate())
		if slices.Contains(f.Builds[:i], b) {
			v.check(fmt.Errorf("build %s is listed twice", b))
		}
	}
	v.word(f.Word)
	return v.err
}

// retirement is a person's word that a target need not keep some builds.
type retirement struct {
	ReleasesRetired
	seq uint64
}

// retiredAt reports whether a build was retired at a target after seq.
func (l *Line) retiredAt(target string, b BuildID, seq uint64) bool {
	return slices.ContainsFunc(l.retirements, func(r retirement) bool {
		return r.Target == target && r.seq > seq && slices.Contains(r.Builds, b)
	})
}

// Kept says why a target has to keep a build's files, empty when they may go:
// it is what readers are given, what they are about to be given, or what they
// would be given if that were revoked.
func (l *Line) Kept(t Target, b BuildID) string {
	shown, _ := l.ShownAt(t)
	switch {
	case shown.Release != nil && shown.Release.Build == b:
		return "readers are given it"
	case l.out != nil && l.out.Build == b:
		return "it is out"
	}
	next := l.before(l.out)
	if next != nil && next.Build == b {
		return "readers would be given it again if what is out were revoked"
	}
	return ""
}

// before is what would be out if r were revoked.
func (l *Line) before(r *Release) *Release {
	if r == nil {
		return nil
	}
	for _, o := range slices.Backward(l.Releases) {
		b := l.byID[o.Build]
		if o.Build != r.Build && o.Revoked == nil && b.Revoked == nil && !b.MarkedBad && b.Contradiction == "" {
			return o
		}
	}
	return nil
}

func allowRetired(p *Policy, l *Line, by Actor, f *ReleasesRetired) error {
	i := slices.IndexFunc(p.Targets, func(t Target) bool { return t.Name == f.Target })
	if i < 0 {
		return fmt.Errorf("the policy has no target %q", f.Target)
	}
	there := l.PublishedAt(p.Targets[i])
	for _, b := range f.Builds {
		if _, ok := there[b]; !ok {
			return fmt.Errorf("%s has no files of %s, or was told to remove them already", f.Target, b)
		}
		if why := l.Kept(p.Targets[i], b); why != "" {
			return fmt.Errorf("%s keeps %s: %s", f.Target, b, why)
		}
	}
	return p.may(by, MayRepair, "")
}

// retireEffects has targets remove what was retired, once no page offers it any
// more.
func retireEffects(p *Policy, s *State, l *Line, print string, add func(Effect)) {
	for _, r := range l.retirements {
		i := slices.IndexFunc(p.Targets, func(t Target) bool { return t.Name == r.Target })
		if i < 0 || l.pages[r.Target].print != print {
			continue
		}
		t := p.Targets[i]
		if s.hasUnnamed(t) {
			continue
		}
		k := key(EffectPublish, t.Name, StepRetire, r.seq)
		if x := l.Effect(k); x.Done != nil || x.Dropped != nil {
			continue
		}
		w := &PublishWork{Step: StepRetire, Keep: s.keptCommits(t)}
		for _, b := range r.Builds {
			// What became of a build since counts: a fallback may have brought it back.
			if _, there := l.PublishedAt(t)[b]; !there && l.Kept(t, b) == "" {
				w.Retire = append(w.Retire, b)
			}
		}
		add(Effect{Key: k, Kind: EffectPublish, Target: t.Name, Publish: w})
	}
}

// hasUnnamed reports whether a stream is between bringing its commits to a target
// and its refs naming them. Until then nobody but the publisher knows of a commit
// that a fallback was given anew, and to remove it would leave readers with what
// was revoked.
func (s *State) hasUnnamed(t Target) bool {
	if len(t.Steps) > 0 && !slices.Contains(t.Steps, StepRefs) {
		return false
	}
	for _, l := range s.streams {
		refs := l.Effect(publishKey(t, l.cause, StepRefs))
		if l.Effect(publishKey(t, l.cause, StepObjects)).Done != nil && refs.Done == nil && refs.Dropped == nil {
			return true
		}
	}
	return false
}

// keptCommits are the ostree commits that a target needs: those of releases of
// every stream that it has files of, or is about to have, as they were tested
// and as they were signed.
func (s *State) keptCommits(t Target) (out []string) {
	note := func(sum string) {
		if hexChecksum(sum) == nil && !slices.Contains(out, sum) {
			out = append(out, sum)
		}
	}
	for _, name := range s.Streams() {
		l := s.streams[name]
		there, signed := l.PublishedAt(t), l.SignedFiles()
		for _, r := range l.Releases {
			commits, ok := there[r.Build]
			if !ok && l.Kept(t, r.Build) == "" {
				continue
			}
			for _, c := range slices.Concat(r.Commits, commits) {
				note(c.Checksum)
			}
			for _, f := range signed[r.Seq] {
				sum, _, _ := strings.Cut(f.Name, ".commit")
				note(sum)
			}
		}
	}
	slices.Sort(out)
	return out
}
