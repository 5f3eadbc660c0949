package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"assay/harness/guest"
)

// policyFiles are where containers' tools find which images they take
// (containers-policy.json(5)), the first that is there.
var policyFiles = []string{"/etc/containers/policy.json", "/usr/share/containers/policy.json"}

// policyLimit bounds such a file.
const policyLimit = 1 << 20

// WhyNoOther says why a host that follows the image cannot be given an unsigned
// one in its place, by FollowImage or from location itself; empty when it can.
func WhyNoOther(ctx context.Context, g guest.Guest, image Image, location string) (string, error) {
	switch {
	case image.Transport != "" && image.Transport != "registry":
		return fmt.Sprintf("it follows %s by %s, and not from a registry", image.Name, image.Transport), nil
	case strings.Contains(image.Name, "@"):
		return fmt.Sprintf("it follows %s, which is one image for ever", image.Name), nil
	case image.Verification != "" && image.Verification != "unverified":
		return fmt.Sprintf("it wants %s verified (%s), and the update has no signature", image.Name, image.Verification), nil
	}
	p, err := readPolicy(ctx, g)
	if err != nil || p == nil {
		return "", err
	}
	for _, name := range []string{image.Name, location} {
		if !p.takesUnsigned(name) {
			return fmt.Sprintf("its policy.json wants signatures of %s, and the update has none", name), nil
		}
	}
	return "", nil
}

// policy is a policy.json: requirements by transport and scope.
type policy struct {
	Default    []requirement                       `json:"default"`
	Transports map[string]map[string][]requirement `json:"transports"`
}

type requirement struct {
	Type string `json:"type"`
}

// readPolicy is nil when there is none, or none that can be read: then the
// host's own tools say so.
func readPolicy(ctx context.Context, g guest.Guest) (*policy, error) {
	for _, path := range policyFiles {
		text, err := g.ReadFile(ctx, path, policyLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var p policy
		if json.Unmarshal(text, &p) != nil {
			return nil, nil
		}
		return &p, nil
	}
	return nil, nil
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
