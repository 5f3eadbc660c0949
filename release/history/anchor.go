package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"assay/release"
)

// anchor is the head of the history as this folder last saw it.
type anchor struct {
	release.Head
	// Importing is set while an import is under way.
	Importing bool `json:"importing,omitempty"`
}

func anchorPath(dir string) string { return filepath.Join(dir, "anchor.json") }

func (h *History) anchorPath() string { return anchorPath(h.opts.Dir) }

func readAnchor(path string) (a anchor, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, err
	}
	if (a.Seq == 0) != (a.Hash == "") {
		return a, errors.New("number and hash do not fit together")
	}
	return a, nil
}

// writeAnchor replaces the anchor in one step, on stable storage.
func writeAnchor(path string, a anchor) (err error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// syncDir puts the names in a folder on stable storage.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkAnchor compares the end of the history with what the anchor remembers.
func (h *History) checkAnchor(ctx context.Context, fresh bool) error {
	a, err := readAnchor(h.anchorPath())
	var found *release.Finding
	switch {
	case errors.Is(err, os.ErrNotExist) && (fresh || h.opts.URL != ""):
		// A cluster's history, seen for the first time from here.
	case errors.Is(err, os.ErrNotExist):
		found = &release.Finding{Key: "anchor:missing", Text: "the anchor file is missing: whether the end of the history is all there cannot be told"}
	case err != nil:
		var perr *os.PathError
		if errors.As(err, &perr) {
			return fmt.Errorf("cannot read the anchor: %w", err)
		}
		found = &release.Finding{Key: "anchor:unreadable", Text: fmt.Sprintf("the anchor file cannot be read (%v): whether the end of the history is all there cannot be told", err)}
	default:
		if found, err = h.compare(ctx, a); err != nil {
			return err
		}
	}
	h.anchor = a
	if found == nil {
		return nil
	}
	last, err := h.last(ctx)
	if err != nil {
		return err
	}
	found.Seq = min(a.Seq, last)
	// Without an anchor to name it, the damage is that of this length.
	if a.Seq == 0 {
		found.Key = fmt.Sprintf("%s:%d", found.Key, last)
		found.Seq = last
	}
	acknowledged, err := h.acknowledged(ctx, found.Key)
	if err != nil {
		return err
	}
	h.findings = append(h.findings, *found)
	if !acknowledged {
		h.pending = found
		return nil
	}
	// A person has looked, and the process ended before the anchor moved.
	head, err := h.head(ctx, last)
	if err != nil {
		return err
	}
	h.anchor = anchor{Head: head}
	return writeAnchor(h.anchorPath(), h.anchor)
}

// compare looks for the event that the anchor remembers.
func (h *History) compare(ctx context.Context, a anchor) (*release.Finding, error) {
	if a.Seq == 0 {
		return nil, nil
	}
	last, err := h.last(ctx)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("end:%d:%.16s", a.Seq, a.Hash.Hex())
	if last < a.Seq {
		return &release.Finding{Key: key, Text: fmt.Sprintf("the history ends with event %d, and event %d was recorded: its end is lost", last, a.Seq)}, nil
	}
	r, gone, err := h.one(ctx, a.Seq)
	switch {
	case err != nil:
		return nil, err
	case gone || r.Err != nil || release.HashOf(r.Raw) != a.Hash:
		return &release.Finding{Key: key, Text: fmt.Sprintf("event %d is not what was recorded under that number", a.Seq)}, nil
	}
	return nil, nil
}

// acknowledged looks through the history for a person's word on a finding.
func (h *History) acknowledged(ctx context.Context, key string) (bool, error) {
	for r, err := range h.Read(ctx, 0) {
		if err != nil {
			return false, err
		}
		if r.Err == nil {
			if e, err := release.Decode(r.Raw); err == nil && acknowledges(e, key) {
				return true, nil
			}
		}
	}
	return false, nil
}

func acknowledges(e release.Event, key string) bool {
	f, ok := e.Fact.(*release.HistoryAcknowledged)
	if !ok || e.Actor.Kind != release.Person {
		return false
	}
	for _, g := range f.Findings {
		if g.Key == key {
			return true
		}
	}
	return false
}

func (h *History) head(ctx context.Context, seq uint64) (release.Head, error) {
	if seq == 0 {
		return release.Head{}, nil
	}
	r, gone, err := h.one(ctx, seq)
	if err == nil && (gone || r.Err != nil) {
		err = fmt.Errorf("event %d cannot be read", seq)
	}
	return release.Head{Seq: seq, Hash: release.HashOf(r.Raw)}, err
}

// advance moves the anchor to head, unless the anchor still witnesses damage
// that nobody has acknowledged.
func (h *History) advance(head release.Head, e release.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending != nil && acknowledges(e, h.pending.Key) {
		h.pending = nil
	}
	// Appends may finish out of order.
	if h.pending != nil || head.Seq <= h.anchor.Seq && e.Type != "history.acknowledged" {
		return nil
	}
	if err := writeAnchor(h.anchorPath(), anchor{Head: head}); err != nil {
		return err
	}
	h.anchor = anchor{Head: head}
	return nil
}
