package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"assay/release"
)

// ErrHalfImport means that an import was broken off: what is there is the
// beginning of a history, and its chain is whole.
var ErrHalfImport = errors.New("an import was broken off before its end")

// importing stands in the metadata of a stream, and in the anchor, from the
// beginning of an import to its end: others see a cluster's stream from other
// folders, and the anchor is the first to be written.
const importing = "assay-importing"

// Import fills an empty history with the lines of an export, byte for byte;
// events of types that this program does not know are kept as they are. What a
// broken import has left behind is thrown away first. The export is checked
// while it is read: the first line that does not fit ends the import, and the
// history cannot be opened before another import has come to its end.
func Import(ctx context.Context, o Options, r io.Reader) (n uint64, err error) {
	h, err := openFor(ctx, o, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return h.fill(ctx, r)
}

// fill imports into a history that was opened for it.
func (h *History) fill(ctx context.Context, r io.Reader) (n uint64, err error) {
	if last, err := h.last(ctx); err != nil || last > 0 {
		return 0, errors.Join(err, fmt.Errorf("cannot import into a history with %d events: use an empty folder", last))
	}
	if err := h.mark(ctx, true); err != nil {
		return 0, fmt.Errorf("cannot begin an import: %w", err)
	}
	s, err := readExport(r, func(before release.Head, raw []byte) error {
		// Without an id: whether one is repeated is the history's own matter.
		return h.publish(ctx, before, raw, "")
	})
	n = s.Head().Seq
	if err != nil {
		return n, fmt.Errorf("cannot import %w", err)
	}
	h.mu.Lock()
	h.anchor.Head = s.Head()
	h.mu.Unlock()
	if err := h.mark(ctx, false); err != nil {
		return n, fmt.Errorf("cannot end the import: %w", err)
	}
	return n, nil
}

// mark says in stream and anchor whether an import is under way. The end of one
// is said in the anchor last, with what was imported.
func (h *History) mark(ctx context.Context, begins bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.anchor.Importing = begins
	if begins {
		if err := errors.Join(writeAnchor(h.anchorPath(), h.anchor), syncDir(h.opts.Dir)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cfg := h.stream.CachedInfo().Config
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = map[string]string{}
	}
	delete(cfg.Metadata, importing)
	if begins {
		cfg.Metadata[importing] = "yes"
	}
	stream, err := h.js.UpdateStream(ctx, cfg)
	if err != nil {
		return err
	}
	h.stream = stream
	if !begins {
		return writeAnchor(h.anchorPath(), h.anchor)
	}
	return nil
}

// HalfImported reports whether the anchor in a folder says that an import into
// it was broken off, without opening the history.
func HalfImported(dir string) bool {
	a, err := readAnchor(anchorPath(dir))
	return err == nil && a.Importing
}

// isHalf reports whether an import into this history was broken off. In a cluster
// only the stream knows: it may have been imported again from another folder.
func (h *History) isHalf() (bool, error) {
	marked := h.stream.CachedInfo().Config.Metadata[importing] != ""
	if h.opts.URL != "" {
		return marked, nil
	}
	a, err := readAnchor(h.anchorPath())
	var unreadable *os.PathError
	if errors.As(err, &unreadable) && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("cannot read the anchor: %w", err)
	}
	return a.Importing || marked, nil
}

// restart makes the stream anew. It is for what a broken import has left alone.
func (h *History) restart(ctx context.Context) error {
	if err := h.js.DeleteStream(ctx, h.opts.Stream); err != nil {
		return fmt.Errorf("cannot throw away what a broken import has left: %w", err)
	}
	h.anchor = anchor{Importing: true}
	if err := writeAnchor(h.anchorPath(), h.anchor); err != nil {
		return err
	}
	_, err := h.openStream(ctx)
	return err
}
