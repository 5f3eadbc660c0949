package release_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// recordLog hands out records as they are, and ends with an error if it has one.
type recordLog struct {
	releasetest.Log
	records []release.Record
	err     error
}

func (l *recordLog) Read(_ context.Context, after uint64) iter.Seq2[release.Record, error] {
	return func(yield func(release.Record, error) bool) {
		for _, r := range l.records {
			if r.Seq > after && !yield(r, nil) {
				return
			}
		}
		if l.err != nil {
			yield(release.Record{}, l.err)
		}
	}
}

// TestLongHistoriesFoldInTheirOrder: what is decoded ahead, damage included, is
// what one record after the other comes to.
func TestLongHistoriesFoldInTheirOrder(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	for h.State.Head().Seq < 1500 {
		h.Tested(release.NewBuildID(h.Now, 1))
		h.Add(24 * time.Hour)
	}
	records := h.Log.(*releasetest.Log).Records()
	records[300].Raw = []byte(strings.Replace(string(records[300].Raw), `"`, `'`, 1))
	records[700] = release.Record{Seq: 701, Err: errors.New("cannot be read")}
	records = append(records[:900:900], records[903:]...)
	one := release.NewState()
	for _, r := range records {
		one.Apply(r)
	}
	ahead, err := release.Load(t.Context(), &recordLog{records: records})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(one, ahead) || len(one.Findings()) < 3 {
		t.Errorf("one by one: %+v\nahead: %+v", one.AllFindings(), ahead.AllFindings())
	}

	// What was read before the log failed is folded, and the rest later.
	broken := &recordLog{records: records[:650], err: errors.New("gone")}
	s, err := release.Load(t.Context(), broken)
	if err == nil || s.Head().Seq != 650 {
		t.Fatalf("up to event %d: %v", s.Head().Seq, err)
	}
	broken.records, broken.err = records, nil
	if err := s.CatchUp(t.Context(), broken); err != nil || !reflect.DeepEqual(one, s) {
		t.Errorf("afterwards: %+v, %v", s.AllFindings(), err)
	}
}
