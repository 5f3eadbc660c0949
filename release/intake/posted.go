package intake

import (
	"context"
	"errors"

	"assay/release"
)

// ErrRefused marks announcements that make no sense, or that policy or history
// refuse: sent again they are refused again.
var ErrRefused = errRefused

// Posted records a build, or with failed a compose that made nothing, that a
// machine announces by itself: in the form of the messages assay.build.seen and
// assay.build.failed, for one stream. Whoever calls it knows that it is the
// machine. Posted again, it changes nothing. It returns the build's number, empty
// for a compose that failed.
//
// Where files are, the machine says: whoever may announce builds is believed.
func Posted(ctx context.Context, o Options, machine string, s release.Stream, failed bool, body []byte) (id release.BuildID, err error) {
	in, err := newRecorder(machine, s, o)
	if err != nil {
		return "", refuse("%w", err)
	}
	if len(body) > maxBody {
		return "", refuse("it has %d bytes, more than %d", len(body), maxBody)
	}
	m := message{topic: topicBuild, body: body}
	if failed {
		m.topic = topicFailed
	}
	list, err := own(m, func(in release.Stream) bool { return in == s }, func(l string) (string, error) { return l, nil })
	if err == nil && len(list) == 0 {
		err = refuse("it is not of stream %s", s)
	}
	var errs []error
	for _, n := range list {
		errs = append(errs, in.record(ctx, n))
		if n.seen != nil && errors.Join(errs...) == nil {
			errs = append(errs, o.Record.Bring(ctx, in.policy(s), in.actor(), func(st *release.State) ([]release.Fact, error) {
				if b := st.Line(s).ByCompose(n.seen.Compose); b != nil {
					id = b.ID
				}
				return nil, nil
			}))
		}
	}
	return id, errors.Join(append(errs, err)...)
}
