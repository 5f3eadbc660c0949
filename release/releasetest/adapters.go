package releasetest

import (
	"context"
	"fmt"
	"sync"

	"assay/release"
)

// Adapter does every effect by writing it down. It is a release.Performer that
// can be told to fail.
type Adapter struct {
	mu sync.Mutex
	// Fail, when set, is asked before each effect.
	Fail func(release.Effect) error
	// Observed answers Bugs; nil is that nobody has touched any.
	Observed func(refs []string) ([]release.BugObserved, error)
	did      []release.Effect
	keys     map[release.EffectKey]int
}

var (
	_ release.Performer = (*Adapter)(nil)
	_ release.Tracker   = (*Adapter)(nil)
)

// Do implements release.Performer. An effect that comes again, as after a crash,
// is recognised by its key and not done twice.
func (a *Adapter) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return release.Receipt{}, err
	}
	if a.Fail != nil {
		if err := a.Fail(e); err != nil {
			return release.Receipt{}, err
		}
	}
	if a.keys == nil {
		a.keys = map[release.EffectKey]int{}
	}
	if a.keys[e.Key] == 0 {
		a.did = append(a.did, e)
		a.keys[e.Key] = len(a.did)
	}
	r := release.Receipt{Ref: fmt.Sprint(a.keys[e.Key]), URL: fmt.Sprintf("https://%s.example/%d", e.Target, a.keys[e.Key])}
	if e.Bug != nil && e.Bug.Ref != "" {
		r.Ref = e.Bug.Ref
	}
	if e.Sign != nil {
		r.Files = []release.File{{Name: "CHECKSUM", Digest: Digest(e.Sign.Build, "CHECKSUM")}}
	}
	return r, nil
}

// Bugs implements release.Tracker by Observed.
func (a *Adapter) Bugs(_ context.Context, refs []string) ([]release.BugObserved, error) {
	if a.Observed == nil {
		return nil, nil
	}
	return a.Observed(refs)
}

// Did lists what was done, in order.
func (a *Adapter) Did() []release.Effect {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]release.Effect(nil), a.did...)
}

// Keys lists the keys of what was done, in order.
func (a *Adapter) Keys() (out []string) {
	for _, e := range a.Did() {
		out = append(out, string(e.Key))
	}
	return out
}
