package guest

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"assay/artifact"
)

// Facts are what a guest tells of the image it was booted from. What it does
// not tell stays empty.
type Facts struct {
	Arch artifact.Arch
	// Kernel is the running kernel's release.
	Kernel string
	// OS, OSID and OSVersion are PRETTY_NAME, ID and VERSION_ID of os-release.
	OS, OSID, OSVersion string
	// The booted ostree deployment: its commit, version and refspec.
	OSTreeCommit, OSTreeVersion, OSTreeRef string
	// ImageDigest is the digest of the container image that the commit was made of.
	ImageDigest string
}

// factsScript prints sections that cannot be confused with their content: each
// line of a section starts with its letter. The deployment is found by the
// kernel's ostree= argument, as ostree itself finds it, so that no tool of the
// host is needed.
const factsScript = `
uname -m | sed 's/^/m /'
uname -r | sed 's/^/r /'
sed 's/^/o /' /etc/os-release 2>/dev/null || sed 's/^/o /' /usr/lib/os-release 2>/dev/null
echo
for word in $(cat /proc/cmdline); do
	case $word in ostree=*) root=$(readlink -f "/sysroot/${word#ostree=}") ;; esac
done
if [ -n "$root" ]; then
	base=${root##*/}
	echo "c ${base%.*}"
	sed -n 's/^\(refspec\|container-image-reference\)=/f /p' "$root.origin" 2>/dev/null | head -n 1
	ostree show --repo=/ostree/repo --print-metadata-key=version "${base%.*}" 2>/dev/null | sed 's/^/v /'
	ostree show --repo=/ostree/repo --print-metadata-key=ostree.manifest-digest "${base%.*}" 2>/dev/null | sed 's/^/d /'
fi
true`

// ReadFacts asks the guest for its facts.
func ReadFacts(ctx context.Context, g Guest) (Facts, error) {
	out, err := Output(ctx, g, "sh", "-c", factsScript)
	if err != nil {
		return Facts{}, fmt.Errorf("cannot read facts of guest %s: %w", g.Name(), err)
	}
	return parseFacts(out), nil
}

func parseFacts(text string) (f Facts) {
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		kind, value, _ := strings.Cut(sc.Text(), " ")
		value = strings.TrimSpace(value)
		switch kind {
		case "m":
			f.Arch = artifact.Arch(value)
		case "r":
			f.Kernel = value
		case "o":
			f.osRelease(value)
		case "c":
			if isChecksum(value) {
				f.OSTreeCommit = value
			}
		case "f":
			f.OSTreeRef = value
		case "v":
			f.OSTreeVersion = strings.Trim(value, "'")
		case "d":
			f.ImageDigest = strings.Trim(value, "'")
		}
	}
	return f
}

// osRelease reads one assignment of os-release(5).
func (f *Facts) osRelease(line string) {
	key, value, ok := strings.Cut(line, "=")
	if !ok {
		return
	}
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	switch key {
	case "PRETTY_NAME":
		f.OS = value
	case "ID":
		f.OSID = value
	case "VERSION_ID":
		f.OSVersion = value
	}
}

func isChecksum(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
