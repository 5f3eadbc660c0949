package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/reports"
)

// FolderConfig is a folder in which builds are put down, as YAML has it. Its name
// is the machine that is recorded with each announcement.
type FolderConfig struct {
	// Path is absolute, and lasts: workers fetch the images from there.
	Path   string         `yaml:"path"`
	Stream release.Stream `yaml:"stream"`
	// Poll is how often it is looked at; ten seconds when 0. A build is taken that
	// is the same at two looks.
	Poll time.Duration `yaml:"poll"`
}

// BuildFile is what makes a folder a build: it is written last, or the folder is
// renamed into its place when all is there.
const BuildFile = "build.json"

// dropped is the content of BuildFile.
type dropped struct {
	Compose   string    `json:"compose"`
	Created   time.Time `json:"created"`
	Artifacts []struct {
		ID release.ArtifactID `json:"id"`
		// File is beside BuildFile.
		File string `json:"file"`
		// SHA256 may be left out; the file is hashed here in any case.
		SHA256 string `json:"sha256"`
	} `json:"artifacts"`
	Commits []release.Commit `json:"commits"`
}

// Folder learns of builds from a folder. It is for one goroutine.
type Folder struct {
	in     *Intake
	config FolderConfig
	// looks are what builds were like at the last look; told what was said of those
	// that cannot be taken, and, of no name, of the folder.
	looks, told map[string]string
	// hashed are the digests of builds that were not taken, so that nothing is read
	// anew for as long as it stays as it is.
	hashed map[string]hashed
}

type hashed struct {
	look    string
	digests []artifact.Digest
}

// NewFolder checks the configuration of the folder called name.
func NewFolder(name string, c FolderConfig, o Options) (*Folder, error) {
	in, err := newRecorder(name, c.Stream, o)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot learn of builds from %.40q: %w", name, err)
	}
	return &Folder{in: in, config: c, looks: map[string]string{}, told: map[string]string{}, hashed: map[string]hashed{}}, nil
}

func (c *FolderConfig) check() error {
	c.Poll = cmp.Or(c.Poll, 10*time.Second)
	switch {
	case !filepath.IsAbs(c.Path):
		return fmt.Errorf("path %.200q: want an absolute one", c.Path)
	case c.Poll < time.Second || c.Poll > 24*time.Hour:
		return fmt.Errorf("poll: want a duration of a second to a day, not %s", c.Poll)
	}
	return nil
}

// IsThere refuses a folder that is not there.
func (f *Folder) IsThere() error { return isFolder("path", f.config.Path) }

func isFolder(what, path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case !st.IsDir():
		return fmt.Errorf("%s %.200q: want a folder", what, path)
	}
	return nil
}

// newRecorder is an intake without a bus, for one stream.
func newRecorder(name string, s release.Stream, o Options) (*Intake, error) {
	in := &Intake{name: name, o: o}
	if o.Tell == nil {
		in.o.Tell = func(string, ...any) {}
	}
	if !slices.ContainsFunc(o.Policies, func(p *release.Policy) bool { return p.Stream == s }) {
		return nil, fmt.Errorf("stream: there is no policy of stream %.100q", s)
	}
	if err := in.actor().Validate(); err != nil || name == release.Self.Name {
		return nil, fmt.Errorf("want the name of a machine, other than the stage itself: %w", errors.Join(err))
	}
	return in, nil
}

// Run looks at the folder until ctx ends.
func (f *Folder) Run(ctx context.Context) {
	every(ctx, f.config.Poll, func() {
		if err := f.Poll(ctx); err != nil && ctx.Err() == nil {
			f.say("", "cannot look into %s: %v", f.config.Path, err)
		}
	})
}

// every does something now and then until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	for ctx.Err() == nil {
		do()
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// say tells of what is so with a build, once as long as it is so.
func (f *Folder) say(name, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); f.told[name] != text {
		f.told[name] = text
		f.in.o.Tell("%s: %s", f.in.name, text)
	}
}

// Poll looks once, and has those builds recorded that are whole.
func (f *Folder) Poll(ctx context.Context) error {
	entries, err := os.ReadDir(f.config.Path)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue // what is still made has such a name
		}
		there[e.Name()] = true
		err := f.take(ctx, e.Name())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			f.say(e.Name(), "%s cannot be taken: %v", reports.Line(e.Name(), 200), err)
		default:
			delete(f.told, e.Name())
		}
	}
	// Of no name is what was told of the folder: it can be read.
	gone := func(name string, _ string) bool { return !there[name] }
	maps.DeleteFunc(f.looks, gone)
	maps.DeleteFunc(f.told, gone)
	maps.DeleteFunc(f.hashed, func(name string, _ hashed) bool { return !there[name] })
	return nil
}

// take has one build recorded, if it is whole and was the same at the last look.
func (f *Folder) take(ctx context.Context, name string) error {
	dir := filepath.Join(f.config.Path, name)
	d, seen, look, err := readDropped(dir)
	if errors.Is(err, fs.ErrNotExist) {
		delete(f.looks, name)
		return nil // it is not there yet, or not all of it
	}
	if err != nil {
		return err
	}
	before, again := f.looks[name]
	f.looks[name] = look
	if before == "taken "+look {
		f.looks[name] = before
		return nil
	}
	if !again || before != look {
		return nil
	}
	if err := isAnnounceable(seen); err != nil {
		return err
	}
	n := news{stream: f.config.Stream, day: d.Created, seen: seen}
	if !f.isKnown(ctx, seen) {
		h := f.hashed[name]
		if h.look != look {
			if h.digests, err = d.hash(ctx, dir); err != nil {
				return err
			}
			if _, _, now, err := readDropped(dir); err != nil || now != look {
				delete(f.looks, name)
				return err // it was changed meanwhile
			}
			h.look = look
			f.hashed[name] = h
		}
		if err := d.fill(seen, h.digests); err != nil {
			return err
		}
		if err := f.in.record(ctx, n); err != nil {
			return err
		}
	}
	delete(f.hashed, name)
	f.looks[name] = "taken " + look
	return nil
}

// isAnnounceable refuses what no history would take, before files are read: the
// announcement lacks digests and a number.
func isAnnounceable(seen *release.BuildSeen) error {
	if seen.Created.IsZero() {
		return fmt.Errorf("%s has no time of creation", BuildFile)
	}
	whole := *seen
	whole.Build, whole.Artifacts = release.BuildID(seen.Created.Format("20060102")+"_01"), slices.Clone(seen.Artifacts)
	for i := range whole.Artifacts {
		whole.Artifacts[i].Digest = artifact.DigestOf([32]byte{})
	}
	if err := whole.Validate(); err != nil {
		return fmt.Errorf("%s: %w", BuildFile, err)
	}
	return nil
}

// hash reads the files.
func (d dropped) hash(ctx context.Context, dir string) (out []artifact.Digest, err error) {
	for _, a := range d.Artifacts {
		digest, err := hashFile(ctx, filepath.Join(dir, a.File))
		if err != nil {
			return nil, err
		}
		out = append(out, digest)
	}
	return out, nil
}

// fill puts the digests of the files into an announcement; those that BuildFile
// has are the same.
func (d dropped) fill(seen *release.BuildSeen, digests []artifact.Digest) error {
	for i, a := range d.Artifacts {
		seen.Artifacts[i].Digest = digests[i]
		if a.SHA256 != "" && a.SHA256 != digests[i].Hex() {
			return fmt.Errorf("%s has SHA-256 %s, and %s says %.64q", a.File, digests[i].Hex(), BuildFile, a.SHA256)
		}
	}
	return nil
}

// isKnown reports whether the history has a build of this name with these files,
// so that they are not read again after each start.
func (f *Folder) isKnown(ctx context.Context, seen *release.BuildSeen) (known bool) {
	err := f.in.o.Record.Bring(ctx, f.in.policy(f.config.Stream), f.in.actor(), func(s *release.State) ([]release.Fact, error) {
		b := s.Line(f.config.Stream).ByCompose(seen.Compose)
		known = b != nil
		for _, a := range seen.Artifacts {
			if !known {
				break
			}
			have := b.Artifact(a.ID)
			known = have != nil && have.Known && have.Name == a.Name && have.Size == a.Size && have.Location == a.Location
		}
		for _, c := range seen.Commits {
			known = known && b.Holds(&release.BuildSeen{Build: b.ID, Compose: b.Compose, Rebuild: b.Rebuild, From: b.From, Commits: []release.Commit{c}})
		}
		return nil, nil
	})
	return known && err == nil
}

// readDropped reads what a folder says it holds. Look is another whenever
// something about its files is; the announcement lacks the digests.
func readDropped(dir string) (d dropped, seen *release.BuildSeen, look string, err error) {
	raw, err := readSmall(filepath.Join(dir, BuildFile))
	if err != nil {
		return d, nil, "", err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, nil, "", fmt.Errorf("%s cannot be read: %w", BuildFile, err)
	}
	if d.Compose == "" || len(d.Artifacts)+len(d.Commits) == 0 {
		return d, nil, "", fmt.Errorf("%s: want compose, and artifacts or commits", BuildFile)
	}
	seen = &release.BuildSeen{Compose: d.Compose, Created: d.Created.UTC(), Commits: d.Commits}
	look = fmt.Sprintf("%x", sha256.Sum256(raw))
	for _, a := range d.Artifacts {
		if a.File == "" || a.File != filepath.Base(a.File) || strings.HasPrefix(a.File, ".") {
			return d, nil, "", fmt.Errorf("%s: %.100q is no file beside it", BuildFile, a.File)
		}
		path := filepath.Join(dir, a.File)
		st, err := os.Lstat(path)
		if err != nil {
			return d, nil, "", err
		}
		if !st.Mode().IsRegular() {
			return d, nil, "", fmt.Errorf("%s is no regular file", a.File)
		}
		look += fmt.Sprintf(" %q %d %d", a.File, st.Size(), st.ModTime().UnixNano())
		seen.Artifacts = append(seen.Artifacts, release.Artifact{ID: a.ID, Name: a.File, Location: path, Size: st.Size()})
	}
	return d, seen, look, nil
}

func readSmall(path string) ([]byte, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxBody+1))
	if err == nil && len(raw) > maxBody {
		err = fmt.Errorf("%s: want at most %d bytes", filepath.Base(path), maxBody)
	}
	return raw, err
}

// openFile opens a regular file that others have put down, and nothing else: no
// link, and no pipe that nobody writes to.
func openFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is no regular file, but a link", filepath.Base(path))
	}
	if err != nil {
		return nil, err
	}
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", filepath.Base(path))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func hashFile(ctx context.Context, path string) (artifact.Digest, error) {
	file, err := openFile(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	for {
		if _, err := io.CopyN(h, file, 16<<20); errors.Is(err, io.EOF) {
			return artifact.DigestOf([32]byte(h.Sum(nil))), nil
		} else if err != nil {
			return "", err
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}
