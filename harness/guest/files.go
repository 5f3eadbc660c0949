package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// fileLimit is how long reading or writing a file may take on a KVM host.
const fileLimit = time.Minute

// noSuchFile is an exit status of our own script that neither test nor head
// gives (sysexits' EX_NOINPUT).
const noSuchFile = 66

// ReadFile reads a file as root; see Guest. A dangling link counts as missing.
// What is too large is a *TooLargeError.
func (s *SSH) ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := checkPath(name); err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", name, err)
	}
	const script = `[ -e "$1" ] || exit 66; exec head -c "$2" -- "$1"`
	args := []string{"sh", "-c", script, "sh", name, strconv.FormatInt(limit+1, 10)}
	r, err := s.Run(ctx, Command{Args: args, Limit: fileLimit, MaxOutput: int(limit) + 1})
	switch {
	case err != nil:
		return nil, err
	case r.Exit == noSuchFile:
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	case !r.OK():
		return nil, fmt.Errorf("cannot read %s: %s", name, r.Said())
	case int64(len(r.Stdout)) > limit:
		return nil, &TooLargeError{Path: name, Limit: limit}
	}
	return []byte(r.Stdout), nil
}

// checkPath wants an absolute path, as there is no working folder to be
// relative to.
func checkPath(name string) error {
	if !path.IsAbs(name) || strings.ContainsRune(name, 0) {
		return errors.New("it is no absolute path")
	}
	return nil
}

// WriteFile writes as root; see Guest. The file belongs to root. Content that
// ends early, by its own error or because the connection broke, changes nothing.
func (s *SSH) WriteFile(ctx context.Context, name string, content io.Reader, mode fs.FileMode) error {
	if err := checkPath(name); err != nil {
		return fmt.Errorf("cannot write %q: %w", name, err)
	}
	in := &counted{r: content}
	const receive = `t=$(mktemp "$1.XXXXXXXX") && cat > "$t" && wc -c < "$t" && echo "$t"`
	r, err := s.Run(ctx, Command{Args: []string{"sh", "-c", receive, "sh", name}, Stdin: in, Limit: fileLimit})
	if err != nil {
		return err
	}
	size, temp, _ := strings.Cut(r.Line(), "\n")
	got, convErr := strconv.ParseInt(strings.TrimSpace(size), 10, 64)
	want, readErr := in.result()
	switch {
	case !r.OK():
		return fmt.Errorf("cannot write %s: %s", name, r.Said())
	case convErr != nil || !strings.HasPrefix(temp, name+"."):
		return fmt.Errorf("cannot write %s: the guest says %.100q", name, r.Line())
	case readErr != nil:
		err = fmt.Errorf("cannot write %s: its content ends early: %w", name, readErr)
	case got != want:
		err = fmt.Errorf("cannot write %s: %d of %d bytes arrived", name, got, want)
	}
	if err != nil {
		rm, rmErr := Ask(ctx, s, "rm", "-f", "--", temp)
		if rmErr != nil || !rm.OK() {
			err = fmt.Errorf("%w; %s is left in the guest", err, temp)
		}
		return err
	}
	// A renamed file keeps the label of its temporary name where SELinux has
	// rules by name, so it is labelled again.
	const place = `chmod "$1" "$2" && mv -f -- "$2" "$3" || { rm -f -- "$2"; exit 1; }
if [ -e /sys/fs/selinux/enforce ]; then restorecon -F -- "$3"; fi`
	r, err = Ask(ctx, s, "sh", "-c", place, "sh", fmt.Sprintf("%04o", unixMode(mode)), temp, name)
	if err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("cannot write %s: %s", name, r.Said())
	}
	return nil
}

// unixMode is mode as chmod(1) wants it.
func unixMode(mode fs.FileMode) uint32 {
	m := uint32(mode.Perm())
	for _, b := range []struct {
		bit  fs.FileMode
		unix uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if mode&b.bit != 0 {
			m |= b.unix
		}
	}
	return m
}

// counted counts what is read and remembers a failure.
type counted struct {
	r   io.Reader
	n   atomic.Int64
	err atomic.Pointer[error]
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		c.err.Store(&err)
	}
	return n, err
}

func (c *counted) result() (int64, error) {
	if err := c.err.Load(); err != nil {
		return c.n.Load(), *err
	}
	return c.n.Load(), nil
}
