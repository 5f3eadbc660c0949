package deployments

import (
	"context"
	"regexp"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// PackagedScript prints which files of the booted deployment $2 the object $1 is, and
// what rpm says of the packages that own them; nothing without rpm. An object may be
// linked to many files, of which the first few tell enough.
const PackagedScript = `command -v rpm >/dev/null 2>&1 || exit 0
limit=; command -v timeout >/dev/null 2>&1 && limit='timeout 60'
rest=${1#??}
object=/sysroot/ostree/repo/objects/${1%"$rest"}/$rest.file
[ -e "$object" ] || exit 0
for usr in /sysroot/ostree/deploy/*/deploy/"$2".*/usr; do
	$limit find "$usr" -xdev -samefile "$object" 2>/dev/null | head -n 3 | while IFS= read -r f; do
		f=/usr${f#"$usr"}
		[ -s "$f" ] || echo "empty $f"
		$limit rpm -Vf --nodeps --noscripts "$f" 2>/dev/null | grep -F -- "${f#/usr}" | sed "s|^|of $f |"
	done
done
exit 0`

// packagedLimit is for PackagedScript on a KVM host: it looks at every file of /usr,
// and reads those of a package.
const packagedLimit = 2 * time.Minute

// unlikeItsPackage is the failure of an image of whose object fsck says bad, when it
// is a file whose bytes are not its package's: then it is no mere label. Of a file of
// another size it says nothing, for the makers of images edit files of packages; one
// that a crash emptied is told.
func unlikeItsPackage(ctx context.Context, t *check.T, bad string, all []host.Deployment) error {
	for _, d := range all {
		if !d.Booted {
			continue
		}
		out, err := probe.OutputWithin(ctx, t, packagedLimit, "sh", PackagedScript, aCommit.FindString(bad), d.Checksum)
		if err != nil {
			return err
		}
		if file := otherBytes(out); file != "" {
			return check.FailWith(out, "%s is damaged: its bytes are not those of its package, and ostree fsck says: %s", file, bad)
		}
	}
	return nil
}

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
