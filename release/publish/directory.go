package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// directory is a target on this host.
type directory struct {
	root, spool string
	// at is called at each line that a kill could come after; tests kill there.
	at func(string)
}

func (d *directory) path(p string) string { return filepath.Join(d.root, filepath.FromSlash(p)) }

func (d *directory) tmp() string { return d.path(ownDir + "/tmp") }

func (d *directory) lock(context.Context) (func(), error) {
	if info, err := os.Stat(d.root); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("cannot publish to %s: it is no folder that is there; make it, or mount it: %w", d.root, errors.Join(err))
	}
	if err := os.MkdirAll(d.tmp(), 0o755); err != nil {
		return nil, err
	}
	unlock, err := flock(d.path(ownDir + "/lock"))
	if err != nil {
		return nil, err
	}
	// What a killed publisher left half written.
	left, err := os.ReadDir(d.tmp())
	for _, l := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.tmp(), l.Name())))
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// flock holds a lock file; the kernel lets it go when the process dies.
func flock(file string) (func(), error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // ours
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, fmt.Errorf("cannot lock %s: %w", file, err)
	}
	return func() {
		// Closing alone would leave the lock to a child process that another
		// goroutine has just forked.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		_ = f.Close()
	}, nil
}

func (d *directory) read(_ context.Context, p string, limit int64) ([]byte, error) {
	f, err := os.Open(d.path(p))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("cannot read %s: more than %d bytes", d.path(p), limit)
	}
	return b, err
}

func (d *directory) sizes(_ context.Context, dir string) (map[string]int64, error) {
	out := map[string]int64{}
	root, err := filepath.EvalSymlinks(d.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	return out, filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		rel, _ := filepath.Rel(root, p)
		if err == nil {
			out[dir+"/"+filepath.ToSlash(rel)] = info.Size()
		}
		return err
	})
}

func (d *directory) put(ctx context.Context, staged bool, items []item) error {
	folders := map[string]bool{}
	for _, it := range items {
		if err := d.putOne(ctx, stagedPath(staged, it.path), it, folders); err != nil {
			return fmt.Errorf("cannot put %s into %s: %w", it.path, d.root, err)
		}
	}
	for f := range folders {
		if err := syncDir(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) putOne(ctx context.Context, at string, it item, folders map[string]bool) error {
	from, to := filepath.Join(d.spool, filepath.FromSlash(it.path)), d.path(at)
	if folder := filepath.Dir(to); !folders[folder] {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		folders[folder] = true
	}
	d.at("put " + at)
	if !it.replace {
		// A link is either there or not, and needs no room.
		err := os.Link(from, to)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) {
			return d.same(ctx, to, it)
		}
	}
	tmp := filepath.Join(d.tmp(), fmt.Sprintf("put-%d", os.Getpid()))
	_ = os.Remove(tmp)
	if err := d.clone(ctx, from, tmp); err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	d.at("copied " + at)
	if it.replace {
		return os.Rename(tmp, to)
	}
	if err := os.Link(tmp, to); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.same(ctx, to, it)
}

// clone makes a copy that shares blocks where it can.
func (d *directory) clone(ctx context.Context, from, to string) error {
	if reflink(from, to) == nil {
		return nil
	}
	src, err := os.Open(from) //nolint:gosec // our spool
	if err != nil {
		return err
	}
	defer src.Close()
	return copyFile(ctx, to, src)
}

// same checks that what is there is what is to be there.
func (d *directory) same(ctx context.Context, file string, it item) error {
	if err := checkFile(ctx, file, it); errors.Is(err, errDigest) {
		return fmt.Errorf("%w: %w", errChanged, err)
	} else if err != nil {
		return err
	}
	return nil
}

func (d *directory) verify(ctx context.Context, staged bool, items []item) error {
	for _, it := range items {
		if err := checkFile(ctx, d.path(stagedPath(staged, it.path)), it); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) move(ctx context.Context, dir string, items []item) error {
	from, to := d.path(stagingDir+"/"+dir), d.path(dir)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	d.at("move " + dir)
	if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
		// The whole folder at once.
		if err := os.Rename(from, to); err != nil {
			return err
		}
	} else if err := d.moveEach(ctx, items); err != nil {
		return err
	}
	d.at("moved " + dir)
	return errors.Join(syncDir(filepath.Dir(to)), os.RemoveAll(from))
}

// moveEach completes a folder that is there.
func (d *directory) moveEach(ctx context.Context, items []item) error {
	for _, it := range items {
		from, to := d.path(stagedPath(true, it.path)), d.path(it.path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		err := os.Link(from, to)
		switch {
		case errors.Is(err, fs.ErrExist):
			err = d.same(ctx, to, it)
		case errors.Is(err, fs.ErrNotExist): // not staged: it must be public
			err = checkFile(ctx, to, it)
		}
		if err != nil {
			return fmt.Errorf("cannot move %s to its place in %s: %w", it.path, d.root, err)
		}
	}
	return nil
}

func (d *directory) swap(ctx context.Context, s set) error {
	var items []item
	for _, f := range s.files {
		it, err := spooled(d.spool, s.dir()+"/"+f)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	if err := d.put(ctx, false, items); err != nil {
		return err
	}
	d.at("set " + s.name)
	if err := d.link(currentDir+"/"+s.name, "../sets/"+s.name+"-"+s.id); err != nil {
		return err
	}
	d.at("current " + s.name)
	for _, p := range s.public {
		if err := d.link(p.at, linkTo(s, p)); err != nil {
			return err
		}
		d.at("public " + p.at)
	}
	return nil
}

// linkTo is what the public link of a place in a set says. It stays the same for
// each generation of the set.
func linkTo(s set, p place) string {
	up := strings.Repeat("../", strings.Count(p.at, "/"))
	return strings.TrimSuffix(up+currentDir+"/"+s.name+"/"+p.in, "/")
}

// link makes a symbolic link, in one move, unless it is there.
func (d *directory) link(at, to string) error {
	file := d.path(at)
	if now, err := os.Readlink(file); err == nil && now == to {
		return nil
	}
	if info, err := os.Lstat(file); err == nil && info.Mode().Type() != fs.ModeSymlink {
		return fmt.Errorf("cannot switch %s: it is there and no symbolic link of ours; move it away by hand", file)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(d.tmp(), fmt.Sprintf("link-%d", os.Getpid()))
	_ = os.Remove(tmp)
	if err := os.Symlink(to, tmp); err != nil {
		return fmt.Errorf("cannot switch %s: %w", file, err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("cannot switch %s: %w", file, err)
	}
	return syncDir(filepath.Dir(file))
}

func (d *directory) download(ctx context.Context, it item) error {
	from, to := d.path(it.path), filepath.Join(d.spool, filepath.FromSlash(it.path))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	_ = os.Remove(to)
	if err := os.Link(from, to); err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.clone(ctx, from, to)
}

func (d *directory) remove(_ context.Context, dir string) error { return os.RemoveAll(d.path(dir)) }

func (d *directory) removeFiles(ctx context.Context, files []string) error {
	for _, f := range files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := os.Remove(d.path(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
