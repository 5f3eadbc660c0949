package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"assay/harness/guest"
)

// policyFiles are where containers' tools find which images they take
// (containers-policy.json(5)), the first that is there.
var policyFiles = []string{"/etc/containers/policy.json", "/usr/share/containers/policy.json"}

// policyLimit bounds such a file.
const policyLimit = 1 << 20

// WhyNoOther says why a host that follows the image cannot be given another in
// its place, by FollowImage or from another location; empty when it can.
func WhyNoOther(image Image) string {
	switch {
	case image.Transport != "" && image.Transport != "registry":
		return fmt.Sprintf("it follows %s by %s, and not from a registry", image.Name, image.Transport)
	case strings.Contains(image.Name, "@"):
		return fmt.Sprintf("it follows %s, which is one image for ever", image.Name)
	}
	return ""
}

// AcceptUnsigned lets a host take images of these names without a signature, and
// what it follows, too, as Follow does with an ostree remote: what is served has
// none, and what is asked is not the signature. It tells what it changed, empty
// for nothing.
func AcceptUnsigned(ctx context.Context, g guest.Guest, image Image, names ...string) (changed []string, err error) {
	if image.Verification != "" && image.Verification != "unverified" {
		plain := image
		plain.Verification = "unverified"
		if err := configure(ctx, g, unverifiedScript, plain.Reference(), imageOriginScript); err != nil {
			return nil, err
		}
		changed = append(changed, fmt.Sprintf("what it follows, %s, is verified no more (%s)", image.Name, image.Verification))
	}
	p, text, err := readPolicy(ctx, g)
	if err != nil || p == nil {
		return changed, err
	}
	open := slices.DeleteFunc(slices.Clone(names), p.takesUnsigned)
	if len(open) == 0 {
		return changed, nil
	}
	if text, err = openPolicy(text, open); err != nil {
		return changed, err
	}
	return append(changed, "its policy.json wants no signatures of "+strings.Join(open, ", ")), g.WriteFile(ctx, policyFiles[0], bytes.NewReader(text), 0o644)
}

// unverifiedScript has the booted deployment follow image $1; $2 is imageOriginScript.
const unverifiedScript = `
booted=$(ostree admin status | sed -n 's,^\* *\([^ /]*\) \([0-9a-f]\{64\}\.[0-9]*\)\( .*\)*$,\1/deploy/\2,p')
[ -n "$booted" ] || { echo "error: ostree tells of no booted deployment" >&2; exit 1; }
unshare -m sh -c "$2" origin "/sysroot/ostree/deploy/$booted.origin" "$1"`

// imageOriginScript has the origin file $1 name the image $2, and keeps the rest.
const imageOriginScript = `
new=$1.assay
[ -w "${1%/*}" ] || mount -o remount,rw /sysroot || exit
cp -a "$1" "$new" || exit
while IFS= read -r line || [ -n "$line" ]; do
	case $line in
	container-image-reference[=\ ]*) printf 'container-image-reference=%s\n' "$2" ;;
	*) printf '%s\n' "$line" ;;
	esac
done <"$1" >"$new" || exit
grep -q -x -F -e "container-image-reference=$2" "$new" || { echo "error: $1 names no image" >&2; rm -f "$new"; exit 1; }
sync "$new" 2>/dev/null
mv -f "$new" "$1" && touch /sysroot/ostree/deploy`

// openPolicy is the text of a policy.json that takes images of those names
// without a signature.
func openPolicy(text []byte, names []string) ([]byte, error) {
	all := map[string]any{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	in := func(of map[string]any, key string) map[string]any {
		inner, ok := of[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			of[key] = inner
		}
		return inner
	}
	scopes := in(in(all, "transports"), "docker")
	for _, n := range names {
		scopes[n] = []requirement{{Type: "insecureAcceptAnything"}}
	}
	return json.MarshalIndent(all, "", "  ")
}

// policy is a policy.json: requirements by transport and scope.
type policy struct {
	Default    []requirement                       `json:"default"`
	Transports map[string]map[string][]requirement `json:"transports"`
}

type requirement struct {
	Type string `json:"type"`
}

// readPolicy is the policy and its text, nil when there is none, or none that can be read: then the
// host's own tools say so.
func readPolicy(ctx context.Context, g guest.Guest) (*policy, []byte, error) {
	for _, path := range policyFiles {
		text, err := g.ReadFile(ctx, path, policyLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		var p policy
		if json.Unmarshal(text, &p) != nil {
			return nil, nil, nil
		}
		return &p, text, nil
	}
	return nil, nil, nil
}

// takesUnsigned reports whether an image of a registry needs no signature. The
// narrowest scope that is there decides.
func (p *policy) takesUnsigned(image string) bool {
	scopes := p.Transports["docker"]
	for _, s := range scopesOf(image) {
		if of, ok := scopes[s]; ok {
			return acceptsAnything(of)
		}
	}
	return acceptsAnything(p.Default)
}

// scopesOf are an image's scopes, the narrowest first: the name, without its
// tag, each part of the path above, the host, its domains, and all.
func scopesOf(image string) (scopes []string) {
	scopes = append(scopes, image)
	name := image
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		name = name[:at]
		scopes = append(scopes, name)
	}
	for at := strings.LastIndexByte(name, '/'); at >= 0; at = strings.LastIndexByte(name, '/') {
		name = name[:at]
		scopes = append(scopes, name)
	}
	for _, rest, ok := strings.Cut(name, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
		scopes = append(scopes, "*."+rest)
	}
	return append(scopes, "")
}

func acceptsAnything(of []requirement) bool {
	for _, r := range of {
		if r.Type != "insecureAcceptAnything" {
			return false
		}
	}
	return len(of) > 0
}
