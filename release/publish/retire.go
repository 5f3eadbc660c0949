package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"assay/release"
)

// Builds lists the builds of a stream that the target has files of.
func (p *Publisher) Builds(ctx context.Context, stream release.Stream) ([]release.BuildID, error) {
	if err := stream.Validate(); err != nil {
		return nil, err
	}
	root := releasesDir + "/" + string(stream)
	files, err := p.store.sizes(ctx, root)
	if err != nil {
		return nil, err
	}
	var out []release.BuildID
	for f := range files {
		b, _, _ := strings.Cut(strings.TrimPrefix(f, root+"/"), "/")
		if id, err := release.ParseBuildID(b); err == nil && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, release.BuildID.Compare)
	return out, nil
}

// Retire deletes the images of builds that were published: the only thing that
// ever does. It refuses the build that is out, and does all of the list or, when
// it refuses one, nothing. The ostree repository keeps its commits.
func (p *Publisher) Retire(ctx context.Context, stream release.Stream, builds []release.BuildID) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return fmt.Errorf("cannot retire builds of %s at %s: %w", stream, p.name, err)
	}
	defer unlock()
	for _, b := range builds {
		if err := errors.Join(stream.Validate(), b.Validate()); err != nil {
			return err
		}
	}
	raw, err := p.store.read(ctx, streamsDir+"/"+string(stream)+"/"+pointerFile, maxDocument)
	var ptr Pointer
	if err == nil {
		err = json.Unmarshal(raw, &ptr)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot see what %s has out at %s: %w", stream, p.name, err)
	}
	var claimed state
	raw, err = p.store.read(ctx, stateDir+"/"+string(stream)+".json", 4096)
	if err == nil {
		err = json.Unmarshal(raw, &claimed)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot see what %s publishes at %s: %w", stream, p.name, err)
	}
	for _, b := range builds {
		if b == ptr.Build || b == claimed.Build {
			return fmt.Errorf("cannot retire %s %s at %s: it is out, or on its way out", stream, b, p.name)
		}
	}
	for _, b := range builds {
		if err := p.store.remove(ctx, releasesDir+"/"+string(stream)+"/"+string(b)); err != nil {
			return fmt.Errorf("cannot retire %s %s at %s: %w", stream, b, p.name, err)
		}
	}
	return nil
}
