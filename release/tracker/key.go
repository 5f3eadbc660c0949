package tracker

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"

	"assay/release"
)

// Key identifies a bug or an effect in a tracker: 14 of a-z and 2-7, so that
// "assay-" and a key fit into Bugzilla's aliases of 20 characters.
type Key string

func keyOf(parts ...string) Key {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return Key(strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:14]))
}

// BugKey is the key of the one bug for a subject of a stream.
func BugKey(stream release.Stream, subject release.Subject) Key {
	return keyOf("bug", string(stream), string(subject))
}

// EffectKey is the key of one effect. The stream is part of it: streams may
// share a tracker.
func EffectKey(stream release.Stream, key release.EffectKey) Key {
	return keyOf("effect", string(stream), string(key))
}

// Marker is the last line of every text that is sent.
type Marker struct{ Bug, Effect Key }

// String is without what hides it in a markup.
func (m Marker) String() string { return "assay bug=" + string(m.Bug) + " effect=" + string(m.Effect) }

var marker = regexp.MustCompile(`(?m)^(?:<!-- |\[)assay bug=([a-z2-7]{14}) effect=([a-z2-7]{14})(?: -->|\])[ \t]*\r?$`)

// FindMarker returns the last marker in a text. What a guest says cannot pass
// for one: ours stands after it. A person may have written below it.
func FindMarker(text string) (m Marker, ok bool) {
	all := marker.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return Marker{}, false
	}
	last := all[len(all)-1]
	return Marker{Bug: Key(last[1]), Effect: Key(last[2])}, true
}
