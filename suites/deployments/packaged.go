package deployments

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// PackagedScript prints which files of the booted deployment $2 the object $1 is, and
// what rpm says of the packages that own them; nothing without rpm. An object may be
// linked to many files, of which the first few tell enough. Each step may take $3
// seconds; "cut" begins the line of one that took longer. A timeout of busybox before
// 1.30 has other arguments: then there is no limit here. It ends what it cuts with 124,
// busybox's with 143.
const PackagedScript = `command -v rpm >/dev/null 2>&1 || exit 0
limit=; timeout 1 true >/dev/null 2>&1 && limit="timeout $3"
exec 3>&1
step() {
	$limit "$@" 2>/dev/null
	case $? in 124|143) [ -n "$limit" ] && echo "cut $*" >&3 ;; esac
}
rest=${1#??}
object=/sysroot/ostree/repo/objects/${1%"$rest"}/$rest.file
[ -e "$object" ] || exit 0
for usr in /sysroot/ostree/deploy/*/deploy/"$2".*/usr; do
	step find "$usr" -xdev -samefile "$object" | head -n 3 | while IFS= read -r f; do
		f=/usr${f#"$usr"}
		[ -s "$f" ] || echo "empty $f"
		step rpm -Vf --nodeps --noscripts "$f" | grep -F -- "${f#/usr}" | sed "s|^|of $f |"
	done
	break # deployments of one commit have the same files
done
exit 0`

const (
	// packagedStep is for a step of PackagedScript on a KVM host: to look at every
	// file of /usr, and to read those of a package.
	packagedStep = time.Minute
	// packagedLimit is for all of them, a search and three packages, and for what is
	// between them.
	packagedLimit = 4*packagedStep + 30*time.Second
)

// unlikeItsPackage is the failure of an image of whose object fsck says bad, when it
// is a file whose bytes are not its package's: then it is no mere label. Of a file of
// another size it says nothing, for the makers of images edit files of packages; one
// that a crash emptied is told. What took too long to be compared is a skip.
func unlikeItsPackage(ctx context.Context, t *check.T, bad string, all []host.Deployment) error {
	for _, d := range all {
		if !d.Booted {
			continue
		}
		step := t.Scaled(packagedStep).Round(time.Second)
		out, err := probe.OutputWithin(ctx, t, packagedLimit, "sh", PackagedScript, aCommit.FindString(bad), d.Checksum, strconv.Itoa(int(step/time.Second)))
		if err != nil {
			return err
		}
		if file := otherBytes(out); file != "" {
			return check.FailWith(out, "%s is damaged: its bytes are not those of its package, and ostree fsck says: %s", file, bad)
		}
		if m := cutStep.FindStringSubmatch(out); m != nil {
			return check.Skipf("whether a file is like its package is not known, as this took longer than %s: %s; ostree fsck says: %s", step, m[1], bad)
		}
	}
	return nil
}

// cutStep is what PackagedScript says of a step that took too long.
var cutStep = regexp.MustCompile(`(?m)^cut (.*)$`)

// verified is a line of rpm --verify after the file that was asked for: flags, the
// kind of file, which may be left out, and a path. Source: rpm(8), "VERIFY OPTIONS".
var verified = regexp.MustCompile(`^of (\S+) ([A-Z0-9.?]{8,9})\s+(?:[a-z]\s+)?(\S+)$`)

// otherBytes is the file whose digest is not its package's.
func otherBytes(out string) string {
	empty := map[string]bool{}
	for _, l := range probe.Lines(out) {
		if file, ok := strings.CutPrefix(l, "empty "); ok {
			empty[file] = true
			continue
		}
		m := verified.FindStringSubmatch(l)
		if m == nil || m[3] != m[1] && "/usr"+m[3] != m[1] {
			continue
		}
		if flags := m[2]; flags[2] == '5' && (flags[0] != 'S' || empty[m[1]]) {
			return m[1]
		}
	}
	return ""
}
