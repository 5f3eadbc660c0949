package sign

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// readSecret reads a file that nobody but its owner may read, who is us or root.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // named by the configuration
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("others can read %s (mode %04o); chmod 600 it, and think of the key as known if they were others indeed", path, mode)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s belongs to user %d, who is neither us nor root", path, s.Uid)
	}
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b, err
}
