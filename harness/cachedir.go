package harness

import (
	"fmt"
	"os"
	"path/filepath"
)

// DefaultCache is $ASSAY_CACHE, else /var/cache/assay for root (where the
// system libvirt's QEMU user can go), else assay in the user's cache folder.
func DefaultCache() (string, error) {
	if d := os.Getenv("ASSAY_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/assay", nil
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot find a cache folder: %w; set ASSAY_CACHE", err)
	}
	return filepath.Join(d, "assay"), nil
}
