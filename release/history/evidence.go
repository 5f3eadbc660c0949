package history

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/release"
)

// maxCopies bounds the copies of damaged files in one folder. A disk that goes
// on to lose data is not to be filled by us.
const maxCopies = 10

const (
	evidencePrefix = "damaged-"
	faultsFile     = "faults.json"
)

// keepEvidence copies files of the store that do not look right into a folder of
// their own, once for each damage, before the server mends them.
func keepEvidence(dir, stream string) error {
	// Without an anchor nothing says what was acknowledged: all of it.
	anchored := ^uint64(0)
	if a, err := readAnchor(anchorPath(dir)); err == nil {
		anchored = a.Seq
	}
	store := storeOf(dir, stream)
	faults, err := inspect(store, stream, anchored)
	if err != nil || len(faults) == 0 {
		return err
	}
	raw, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	name := filepath.Join(dir, fmt.Sprintf("%s%x", evidencePrefix, sum[:6]))
	if _, err := os.Stat(name); err == nil {
		return nil // seen before
	}
	have, err := evidence(dir)
	if err != nil {
		return err
	}
	if len(have) >= maxCopies {
		return fmt.Errorf("the event store is damaged again (%s), and %d copies of damaged files are there: look at them, move %s away, and mind the disk", faults[0], len(have), filepath.Join(dir, evidencePrefix+"*"))
	}
	if err := copyEvidence(store, name+".new", faults, raw); err != nil {
		return fmt.Errorf("cannot keep a copy of damaged files of the event store (%s): %w", faults[0], err)
	}
	return errors.Join(os.Rename(name+".new", name), syncDir(dir))
}

// copyEvidence copies what is damaged and what goes with it. Where the stream's
// description is damaged, that is all.
func copyEvidence(store, to string, faults []fault, raw []byte) error {
	all := slices.ContainsFunc(faults, func(f fault) bool { return f.File == metaFile })
	if err := os.RemoveAll(to); err != nil { // a copy that was broken off
		return err
	}
	err := fs.WalkDir(os.DirFS(store), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		isBlock := strings.HasSuffix(path, ".blk")
		if isBlock && !all && !slices.ContainsFunc(faults, func(f fault) bool { return f.File == path }) {
			return nil
		}
		return copyFile(filepath.Join(store, path), filepath.Join(to, path))
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, faultsFile), raw, 0o600); err != nil {
		return err
	}
	return syncDir(to)
}

// copyFile copies bytes, and no links: the server writes its files in place. A
// file that cannot be read to its end is copied up to there.
func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, readable{in})
	return errors.Join(err, out.Sync(), out.Close())
}

// readable ends where its file cannot be read any more.
type readable struct{ f *os.File }

func (r readable) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// evidence lists the copies of damaged files in a folder.
func evidence(dir string) (out []string, err error) {
	names, err := os.ReadDir(dir)
	for _, n := range names {
		if strings.HasPrefix(n.Name(), evidencePrefix) && !strings.HasSuffix(n.Name(), ".new") {
			out = append(out, filepath.Join(dir, n.Name()))
		}
	}
	return out, err
}

// evidenceFindings has one finding for each copy, for as long as it is there.
func evidenceFindings(dir string) (out []release.Finding, err error) {
	copies, err := evidence(dir)
	for _, path := range copies {
		f := release.Finding{Key: "store:" + strings.TrimPrefix(filepath.Base(path), evidencePrefix)}
		var faults []fault
		raw, err := os.ReadFile(filepath.Join(path, faultsFile))
		if err == nil {
			err = json.Unmarshal(raw, &faults)
		}
		var what []string
		for _, x := range faults {
			what = append(what, x.String())
			if f.Seq == 0 || x.Event > 0 && x.Event < f.Seq {
				f.Seq = x.Event
			}
		}
		if err != nil {
			what = append(what, fmt.Sprintf("%s cannot be read: %v", faultsFile, err))
		}
		f.Text = fmt.Sprintf("files of the event store were damaged (%s); as they were found they are kept in %s", strings.Join(what, "; "), path)
		out = append(out, f)
	}
	return out, err
}
