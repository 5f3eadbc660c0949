package publish

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// keptSets is how many generations of a set stay at a target: the current one,
// and the one before for readers who are in the middle of it.
const keptSets = 2

// swap makes a set the current one and removes what no reader has any more.
func (j *job) swap(ctx context.Context, s set) error {
	file := filepath.Join(j.Publisher.work, "sets", s.name+".json")
	var ids []string            // oldest first
	b, err := os.ReadFile(file) //nolint:gosec // our spool
	if err == nil {
		err = json.Unmarshal(b, &ids)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ids = nil // it is an account of litter, and no release waits for it
	}
	// It is written down before it is there: a kill leaves nothing unknown.
	ids = append(slices.DeleteFunc(ids, func(id string) bool { return id == s.id }), s.id)
	if err := j.writeIDs(file, ids); err != nil {
		return err
	}
	if err := j.store.swap(ctx, s); err != nil {
		return err
	}
	for _, id := range slices.Clone(ids[:max(0, len(ids)-keptSets)]) {
		if j.store.remove(ctx, set{name: s.name, id: id}.dir()) != nil {
			break // the next set tries again
		}
		ids = slices.DeleteFunc(ids, func(o string) bool { return o == id })
	}
	return j.writeIDs(file, ids)
}

func (j *job) writeIDs(file string, ids []string) error {
	b, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return writeFile(j.tmp(), file, b)
}
