package disk

import (
	"fmt"
	"os"
	"path/filepath"
)

// ReadableByOthers returns an error that names the first obstacle when a user who is
// neither owner nor in the group of the file, as QEMU mostly runs under the system's libvirt,
// cannot read path: a folder on the way that others may not enter, or the file's own
// mode. Access lists are not looked at. Options.Copy is the way around.
func ReadableByOthers(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("cannot check access to %s: %w", path, err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return fmt.Errorf("cannot check access to %s: %w", path, err)
	}
	const othersRead, othersEnter = 0o004, 0o001
	need := os.FileMode(othersRead)
	for at := path; ; at = filepath.Dir(at) {
		fi, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("cannot check access to %s: %w", path, err)
		}
		if fi.Mode().Perm()&need == 0 {
			verb := "enter the folder"
			if need == othersRead {
				verb = "read the file"
			}
			return fmt.Errorf("cannot read %s as another user: others may not %s %s (mode %04o)", path, verb, at, fi.Mode().Perm())
		}
		if at == filepath.Dir(at) {
			return nil
		}
		need = othersEnter
	}
}
