package adapters

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"assay/release"
)

// Folder is an adapter that writes each effect as a file, for other programs to
// take up: a mailer, a bot, a build system. An effect has one file, which
// appears whole and is never written again.
type Folder struct{ Dir string }

// deed is the file.
type deed struct {
	Key    release.EffectKey  `json:"key"`
	Kind   release.EffectKind `json:"kind"`
	Stream release.Stream     `json:"stream"`
	Target string             `json:"target"`
	Work   any                `json:"work"`
}

// Do implements release.Performer.
func (f Folder) Do(_ context.Context, e release.Effect) (release.Receipt, error) {
	r, err := f.write(e)
	if err != nil {
		return r, fmt.Errorf("cannot write %s into folder %s: %w", e.Key, f.Dir, err)
	}
	return r, nil
}

func (f Folder) write(e release.Effect) (r release.Receipt, err error) {
	d := deed{Key: e.Key, Kind: e.Kind, Stream: e.Stream, Target: e.Target}
	switch e.Kind {
	case release.EffectBug:
		d.Work, r.Ref = e.Bug, e.Bug.Ref
		if r.Ref == "" {
			// One bug for a subject, whatever happens to it.
			sum := sha256.Sum256([]byte(string(e.Stream) + "\n" + string(e.Bug.Subject)))
			r.Ref = hex.EncodeToString(sum[:6])
		}
	case release.EffectAnnounce:
		d.Work = e.Announce
	case release.EffectRebuild:
		d.Work = e.Rebuild
	case release.EffectResult:
		d.Work = e.Result.TestNews
	default:
		return r, fmt.Errorf("a folder cannot do %s: %w", e.Kind, release.ErrPermanent)
	}
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return r, err
	}
	path := filepath.Join(f.Dir, deedName(e.Key))
	r.URL = (&url.URL{Scheme: "file", Path: path}).String()
	return r, writeOnce(path, append(raw, '\n'))
}

// deedName is a file name that a key has for itself: its words, and a part of
// its hash, since words that differ may look the same.
func deedName(k release.EffectKey) string {
	words := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, string(k))
	sum := sha256.Sum256([]byte(k))
	return words[:min(len(words), 150)] + "-" + hex.EncodeToString(sum[:4]) + ".json"
}

// writeOnce puts a file on stable storage, unless it is there.
func writeOnce(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Named after what it becomes: when this process is killed here, whoever does
	// the deed again takes it over.
	tmp, err := os.OpenFile(filepath.Join(dir, ".new-"+filepath.Base(path)), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	// A link, unlike a renaming, never replaces what is there.
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
