package trackertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"assay/release"
)

// lifeThrough lives a whole life over a line on which requests get lost. Each
// effect is tried again until it is done, as the outbox does.
func (k *kit) lifeThrough(p Project, line *Line, what string) {
	k.Helper()
	c := p.Config()
	c.URL = line.URL()
	tr := k.at(c)
	var r release.Receipt
	for i, action := range []release.BugAction{release.BugOpen, release.BugComment, release.BugClose, release.BugReopen} {
		e := Effect(stream, 1+i, release.BugWork{Action: action, Ref: r.Ref})
		var err error
		for range 200 {
			var got release.Receipt
			if got, err = tr.Do(k.Context(), e); err == nil {
				r = got
				break
			}
			if errors.Is(err, release.ErrPermanent) {
				k.Fatalf("%s: %v", what, err)
			}
			e.Attempt++
			e.Unsure = e.Attempt%2 == 0 // as after a crash
		}
		if err != nil {
			k.Fatalf("%s: %s never succeeded: %v", what, action, err)
		}
	}
	k.Run(what, func(t *testing.T) {
		sub := *k
		sub.T = t
		sub.sees(p, "open changed,passes,again")
	})
}

// oneFault loses each of the requests of a life once; manyFaults has the other
// ways to fail.
func (k *kit) oneFault() {
	faults := []Fault{Lost, AnswerLost}
	if _, slow := k.project.(Slow); slow {
		faults = []Fault{AnswerLost}
	}
	for _, f := range faults {
		for n := 1; ; n++ {
			p := k.start(k.T)
			line := NewLine(k.T, p.Config().URL, func(i int) Fault {
				if i == n {
					return f
				}
				return Fine
			})
			k.lifeThrough(p, line, fmt.Sprintf("%s, request %d", f, n))
			if line.Count() < n {
				break
			}
		}
	}
}

// manyFaults loses every fourth request or so.
func (k *kit) manyFaults() {
	seeds := uint64(10)
	if _, slow := k.project.(Slow); slow {
		seeds = 3
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 0))
		p := k.start(k.T)
		line := NewLine(k.T, p.Config().URL, func(int) Fault {
			if rnd.IntN(4) == 0 {
				return Faults[rnd.IntN(len(Faults))]
			}
			return Fine
		})
		k.lifeThrough(p, line, fmt.Sprintf("seed %d", seed))
	}
}

// killed ends attempts at any moment, as a SIGKILL does: the server sees the
// connection break, and may or may not go on. The next attempt comes at once.
func (k *kit) killed() {
	k.grace = time.Second
	if _, ok := k.project.(*standIn); ok {
		k.grace = 20 * time.Millisecond
	}
	k.tracker = k.at(k.project.Config())
	begin := time.Now()
	k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen, Subject: "check:upgrade/0"}))
	whole := time.Since(begin)
	const kills = 12
	want := []string{"open"}
	for n := 1; n <= kills; n++ {
		e := Effect(stream, 1, release.BugWork{Action: release.BugOpen, Subject: release.Subject(fmt.Sprintf("check:upgrade/%d", n))})
		ctx, cancel := context.WithTimeout(k.Context(), whole*time.Duration(n)/kills)
		_, err := k.tracker.Do(ctx, e)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			k.Fatal(err)
		}
		e.Unsure, e.Attempt = true, 2
		k.do(e)
		want = append(want, "open")
	}
	k.sees(k.project, want...)
}
