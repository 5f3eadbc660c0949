package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"assay/release"
)

// source is the policy for the history.
func source(text []byte, files map[string]string) *release.PolicySet {
	s := &release.PolicySet{Text: string(text)}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s.Files = append(s.Files, release.PolicyFile{Name: name, Text: files[name]})
	}
	s.Digest = release.PolicyDigest(s.Text, s.Files)
	return s
}

// InForce reads the policy that a stream had, from the history: l is its line
// as of the time in question. Where the history has none it returns nil, and no
// error.
func InForce(ctx context.Context, log release.Log, l *release.Line) (*release.Policy, error) {
	in := l.Policy
	if in == nil {
		return nil, nil
	}
	p, err := at(ctx, log, in)
	if err == nil && p.Stream != l.Stream {
		err = fmt.Errorf("it is one of %s", p.Stream)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the policy of %s that was set by event %d: %w", l.Stream, in.Seq, err)
	}
	return p, nil
}

func at(ctx context.Context, log release.Log, in *release.InForce) (*release.Policy, error) {
	for r, err := range log.Read(ctx, in.Seq-1) {
		if err == nil {
			err = r.Err
		}
		if err != nil {
			return nil, err
		}
		e, err := release.Decode(r.Raw)
		if err != nil {
			return nil, err
		}
		set, ok := e.Fact.(*release.PolicySet)
		if !ok || r.Seq != in.Seq || set.Digest != in.Digest {
			break
		}
		return parse(fmt.Sprintf("event %d", in.Seq), []byte(set.Text), func(name string) ([]byte, error) {
			for _, f := range set.Files {
				if f.Name == name {
					return []byte(f.Text), nil
				}
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		})
	}
	return nil, errors.New("the event is not what it was")
}
