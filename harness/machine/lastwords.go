package machine

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// withLastWords adds what QEMU said before it died, where its log is readable.
func (m *Machine) withLastWords(detail string) string {
	dir := "/var/log/libvirt/qemu"
	if m.host.at.session {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			cache = filepath.Join(os.Getenv("HOME"), ".cache")
		}
		dir = filepath.Join(cache, "libvirt/qemu/log")
	}
	f, err := os.Open(filepath.Join(dir, m.domainName()+".log"))
	if err != nil {
		return detail
	}
	defer f.Close()
	if words := lastWords(f); words != "" {
		return detail + ": " + words
	}
	return detail
}

// maxLastWords bounds what of a log's end is read.
const maxLastWords = 8 << 10

// lastWords is the last line of a log of libvirt's that QEMU itself wrote:
// "2026-01-02T03:04:05.678901Z qemu-system-x86_64: what happened".
func lastWords(log io.ReadSeeker) string {
	size, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	if _, err := log.Seek(max(0, size-maxLastWords), io.SeekStart); err != nil {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(log, maxLastWords))
	if err != nil {
		return ""
	}
	lines := strings.Split(string(b), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		stamp, said, ok := strings.Cut(lines[i], " ")
		// libvirt's own lines have a date and a time apart; the definition's
		// lines have no stamp.
		if ok && strings.HasSuffix(stamp, "Z") && strings.HasPrefix(said, "qemu-system-") {
			return strings.ToValidUTF8(said[:min(len(said), 300)], "")
		}
		if strings.Contains(lines[i], ": starting up libvirt version") {
			return "" // what is before is an earlier guest's
		}
	}
	return ""
}
