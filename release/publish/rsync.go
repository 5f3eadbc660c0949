package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"assay/release/sign/program"
)

// rsync is a target on another host. Everything goes through the rsync program;
// no other command is run there.
type rsync struct {
	Rsync
	spool string
	// dir has what is ours alone: the lock and ssh's configuration.
	dir string
}

// newRsync writes the configuration of ssh, since rsync would split options of
// an ssh command line at spaces.
func newRsync(c Rsync, spool, dir string) (*rsync, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "BatchMode yes\nStrictHostKeyChecking yes\nConnectTimeout 30\nServerAliveInterval 15\nServerAliveCountMax 4\nClearAllForwardings yes\n")
	if c.Port != 0 {
		fmt.Fprintf(&b, "Port %d\n", c.Port)
	}
	if c.KnownHosts != "" {
		fmt.Fprintf(&b, "UserKnownHostsFile %s\nGlobalKnownHostsFile none\n", c.KnownHosts)
	}
	if c.IdentityFile != "" {
		fmt.Fprintf(&b, "IdentityFile %s\nIdentitiesOnly yes\n", c.IdentityFile)
	}
	if strings.ContainsAny(dir, " \"'\\") {
		return nil, fmt.Errorf("cannot use spool %q: want no space or quote in its path", dir)
	}
	r := &rsync{Rsync: c, spool: spool, dir: dir}
	return r, os.WriteFile(r.sshConfig(), b.Bytes(), 0o600)
}

func (r *rsync) sshConfig() string { return filepath.Join(r.dir, "ssh_config") }

// tmp is emptied by whoever has the publisher's lock next.
func (r *rsync) tmp() string { return filepath.Join(r.dir, "tmp") }

// at is a path of the target as rsync's argument.
func (r *rsync) at(p string) string { return r.Host + ":" + strings.TrimSuffix(r.Path, "/") + "/" + p }

// run runs rsync; files, if any, are the names to transfer.
func (r *rsync) run(ctx context.Context, files []string, args ...string) ([]byte, error) {
	all := []string{"rsync", "-e", "ssh -F " + r.sshConfig(), "--timeout=120", "--protect-args"}
	c := program.Command{Args: append(all, args...), Limit: 256 << 20}
	if files != nil {
		c.Stdin = strings.NewReader(strings.Join(files, "\x00"))
	}
	return program.Run(ctx, c)
}

func (r *rsync) lock(context.Context) (func(), error) {
	return flock(filepath.Join(r.dir, "lock.rsync"))
}

// Exit codes of rsync that say what is not there.
const (
	rsyncPartial  = 23
	rsyncVanished = 24
)

func (r *rsync) read(ctx context.Context, p string, limit int64) ([]byte, error) {
	dir, err := os.MkdirTemp(r.tmp(), "read-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "file")
	if err := r.get(ctx, p, file, limit); err != nil {
		return nil, err
	}
	return os.ReadFile(file) //nolint:gosec // just made
}

func (r *rsync) get(ctx context.Context, p, file string, limit int64) error {
	_, err := r.run(ctx, nil, "-L", "--times", "--max-size="+strconv.FormatInt(limit, 10), r.at(p), file)
	var failed *program.Error
	if errors.As(err, &failed) && (failed.ExitCode() == rsyncPartial || failed.ExitCode() == rsyncVanished) && strings.Contains(failed.Said, "No such file") {
		return fmt.Errorf("cannot read %s: %w", r.at(p), fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", r.at(p), err)
	}
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("cannot read %s: more than %d bytes", r.at(p), limit)
	}
	return nil
}

func (r *rsync) sizes(ctx context.Context, dir string) (map[string]int64, error) {
	out := map[string]int64{}
	list, err := r.run(ctx, nil, "--recursive", "--copy-links", "--list-only", "--no-human-readable", r.at(dir)+"/")
	var failed *program.Error
	if errors.As(err, &failed) && failed.ExitCode() == rsyncPartial && strings.Contains(failed.Said, "No such file") {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", r.at(dir), err)
	}
	for line := range strings.Lines(string(list)) {
		// "-rw-r--r--          5,123 2026/11/21 10:00:00 name"
		f := strings.Fields(line)
		if len(f) != 5 || !strings.HasPrefix(f[0], "-") {
			continue
		}
		size, err := strconv.ParseInt(strings.ReplaceAll(f[1], ",", ""), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("cannot list %s: cannot read %.200q", r.at(dir), line)
		}
		out[dir+"/"+f[4]] = size
	}
	return out, nil
}

// transfer are the options for files named on standard input: folders are made,
// each file is renamed into place when it is whole.
var transfer = []string{"--from0", "--files-from=-", "--relative", "--times", "--links", "--chmod=D755,F644", "--perms", "--omit-dir-times"}

func paths(items []item, which func(item) bool) (out []string) {
	for _, it := range items {
		if which(it) {
			out = append(out, it.path)
		}
	}
	return out
}

func (r *rsync) put(ctx context.Context, staged bool, items []item) error {
	to := r.at("")
	if staged {
		// The folders above have to be there before rsync writes below them.
		if err := r.folder(ctx, stagingDir); err != nil {
			return err
		}
		to = r.at(stagingDir + "/")
	}
	tested := paths(items, func(i item) bool { return !i.replace && i.digest != "" })
	if !staged {
		if err := r.unchanged(ctx, to, tested); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		files   []string
		options []string
	}{
		{tested, []string{"--checksum", "--partial-dir=.partial"}},
		// The name of an object is its checksum.
		{paths(items, func(i item) bool { return !i.replace && i.digest == "" }), []string{"--ignore-existing"}},
		{paths(items, func(i item) bool { return i.replace }), []string{"--checksum"}},
	} {
		if len(t.files) == 0 {
			continue
		}
		if _, err := r.run(ctx, t.files, append(append(t.options, transfer...), r.spool+"/", to)...); err != nil {
			return fmt.Errorf("cannot put %d files (%s ...) to %s: %w", len(t.files), t.files[0], to, err)
		}
	}
	return nil
}

// folder makes a folder.
func (r *rsync) folder(ctx context.Context, p string) error {
	if err := os.MkdirAll(filepath.Join(r.spool, filepath.FromSlash(p)), 0o755); err != nil {
		return err
	}
	args := append(append([]string{"--dirs"}, transfer...), r.spool+"/", r.at(""))
	if _, err := r.run(ctx, []string{p}, args...); err != nil {
		return fmt.Errorf("cannot make %s: %w", r.at(p), err)
	}
	return nil
}

// differing lists the files whose bytes at the target, which the other side
// reads to compare, are not those of the spool. With existing, those that are
// not there are left out.
func (r *rsync) differing(ctx context.Context, to string, files []string, existing bool) (out []string, err error) {
	if len(files) == 0 {
		return nil, nil
	}
	args := []string{"--dry-run", "--checksum", "--out-format=%i %n", "--from0", "--files-from=-", "--relative", "--no-implied-dirs"}
	if existing {
		args = append(args, "--existing")
	}
	list, err := r.run(ctx, files, append(args, r.spool+"/", to)...)
	if err != nil {
		return nil, fmt.Errorf("cannot compare %d files (%s ...) with %s: %w", len(files), files[0], to, err)
	}
	for line := range strings.Lines(string(list)) {
		// "<f" is a file that would be sent; "+" fills in for one that is not there.
		if what, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(what, "<f") {
			out = append(out, name)
		}
	}
	return out, nil
}

// unchanged refuses to write over files that were published with other bytes.
func (r *rsync) unchanged(ctx context.Context, to string, files []string) error {
	changed, err := r.differing(ctx, to, files, true)
	if err == nil && len(changed) > 0 {
		err = fmt.Errorf("cannot put %s to %s: %w", changed[0], to, errChanged)
	}
	return err
}

func (r *rsync) verify(ctx context.Context, staged bool, items []item) error {
	// The spool's own bytes come first: the comparison is with them.
	for _, it := range items {
		if err := checkFile(ctx, filepath.Join(r.spool, filepath.FromSlash(it.path)), it); err != nil {
			return err
		}
	}
	to := r.at("")
	if staged {
		to = r.at(stagingDir + "/")
	}
	wrong, err := r.differing(ctx, to, paths(items, func(item) bool { return true }), false)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("%s at %s: %w", wrong[0], to, errDigest)
	}
	return err
}

func (r *rsync) move(ctx context.Context, dir string, items []item) error {
	files := paths(items, func(item) bool { return true })
	if err := r.unchanged(ctx, r.at(""), files); err != nil {
		return err
	}
	// The other side links what it has staged; nothing is sent twice.
	args := append([]string{"--checksum", "--link-dest=" + stagingDir}, transfer...)
	if _, err := r.run(ctx, files, append(args, r.spool+"/", r.at(""))...); err != nil {
		return fmt.Errorf("cannot move %s to its place at %s: %w", dir, r.at(""), err)
	}
	return r.remove(ctx, stagingDir+"/"+dir)
}

func (r *rsync) swap(ctx context.Context, s set) error {
	var items []item
	for _, f := range s.files {
		it, err := spooled(r.spool, s.dir()+"/"+f)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	if err := r.put(ctx, false, items); err != nil {
		return err
	}
	if err := r.link(ctx, map[string]string{currentDir + "/" + s.name: "../sets/" + s.name + "-" + s.id}); err != nil {
		return err
	}
	public := map[string]string{}
	for _, p := range s.public {
		public[p.at] = linkTo(s, p)
	}
	return r.link(ctx, public)
}

// link makes symbolic links there; rsync renames each into place. The spool has
// real folders at public paths, so links are made in a folder of their own.
func (r *rsync) link(ctx context.Context, links map[string]string) error {
	dir, err := os.MkdirTemp(r.tmp(), "link-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	names := slices.Sorted(maps.Keys(links))
	for _, at := range names {
		file := filepath.Join(dir, filepath.FromSlash(at))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Symlink(links[at], file)); err != nil {
			return err
		}
	}
	if _, err := r.run(ctx, names, append(append([]string{"--no-implied-dirs"}, transfer...), dir+"/", r.at(""))...); err != nil {
		return fmt.Errorf("cannot switch %s: %w", r.at(names[0]), err)
	}
	return nil
}

func (r *rsync) download(ctx context.Context, it item) error {
	to := filepath.Join(r.spool, filepath.FromSlash(it.path))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return r.get(ctx, it.path, to, it.size)
}

// remove deletes a folder by filling it from an empty one.
func (r *rsync) remove(ctx context.Context, dir string) error {
	parent, name := "", dir
	if i := strings.LastIndexByte(dir, '/'); i >= 0 {
		parent, name = dir[:i], dir[i+1:]
	}
	empty, err := os.MkdirTemp(r.tmp(), "empty-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(empty) }()
	_, err = r.run(ctx, nil, "--recursive", "--delete", "--include=/"+name+"/***", "--exclude=*", empty+"/", r.at(parent)+"/")
	var failed *program.Error
	if errors.As(err, &failed) && strings.Contains(failed.Said, "No such file") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", r.at(dir), err)
	}
	return nil
}

// removeFiles names files of a folder that has their folders and nothing else:
// what is missing here goes there.
func (r *rsync) removeFiles(ctx context.Context, files []string) error {
	empty, err := os.MkdirTemp(r.tmp(), "empty-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(empty) }()
	for _, f := range files {
		if err := os.MkdirAll(filepath.Join(empty, filepath.FromSlash(path.Dir(f))), 0o755); err != nil {
			return err
		}
	}
	args := []string{"--from0", "--files-from=-", "--relative", "--omit-dir-times", "--delete-missing-args", empty + "/", r.at("")}
	if _, err := r.run(ctx, files, args...); err != nil {
		return fmt.Errorf("cannot remove %d files (%s ...) at %s: %w", len(files), files[0], r.at(""), err)
	}
	return nil
}
