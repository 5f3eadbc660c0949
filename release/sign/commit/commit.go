// Package commit reads and writes the two kinds of ostree objects that a
// release adds: commits, and the detached metadata that holds their signatures.
//
// It works on bytes and runs nothing. ostree's own program could sign, too, but
// takes secret ed25519 keys as arguments, where every user of the host sees
// them, and needs all of a repository to make one commit of a tree that exists.
package commit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// MaxSize bounds the objects that are read, in bytes: ostree's own limit for
// metadata objects is 10 MiB.
const MaxSize = 10 << 20

// Keys of the metadata of commits that this package writes.
const (
	// KeyBinding lists the refs that a commit may be found under; clients refuse
	// it under any other.
	KeyBinding = "ostree.ref-binding"
	// KeyCollection binds it to a collection of repositories.
	KeyCollection = "ostree.collection-binding"
	// KeyPromotionOf is the commit that was tested and has the same content.
	KeyPromotionOf = "promotion-of"
	// KeyBuild and KeyWhy say of which build it is and why it is a commit of its
	// own.
	KeyBuild = "assay.build"
	KeyWhy   = "assay.promotion-reason"
)

// Commit is a commit object.
type Commit struct {
	Metadata []Entry
	// Parent is empty for a first commit.
	Parent        string
	Subject, Body string
	Time          time.Time
	// Contents and Meta are the checksums of the root folder: what is in it, and
	// its own mode and owner.
	Contents, Meta string

	related []byte
}

// Parse reads a commit object.
func Parse(raw []byte) (*Commit, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("cannot read ostree commit: %d bytes, more than %d", len(raw), MaxSize)
	}
	m := []member{{align: 8}, {align: 1}, {align: 1}, {align: 1}, {align: 1}, {align: 8, size: 8}, {align: 1}, {align: 1}}
	if err := untuple(raw, m); err != nil {
		return nil, fmt.Errorf("cannot read ostree commit: %w", err)
	}
	c := &Commit{related: m[2].data, Contents: hex.EncodeToString(m[6].data), Meta: hex.EncodeToString(m[7].data)}
	var err error
	if c.Metadata, err = readDictionary(m[0].data); err != nil {
		return nil, fmt.Errorf("cannot read metadata of ostree commit: %w", err)
	}
	if len(m[6].data) != 32 || len(m[7].data) != 32 || len(m[1].data) != 0 && len(m[1].data) != 32 {
		return nil, fmt.Errorf("cannot read ostree commit: %w: a checksum of another length than 32 bytes", errFormat)
	}
	c.Parent = hex.EncodeToString(m[1].data)
	for to, b := range map[*string][]byte{&c.Subject: m[3].data, &c.Body: m[4].data} {
		if *to, err = text(b); err != nil {
			return nil, fmt.Errorf("cannot read ostree commit: %w", err)
		}
	}
	c.Time = time.Unix(int64(binary.BigEndian.Uint64(m[5].data)), 0).UTC() //nolint:gosec // any time is as good as another
	return c, nil
}

// Bytes is the object; its checksum is Checksum of it.
func (c *Commit) Bytes() []byte {
	return tuple(
		member{align: 8, data: dictionary(c.Metadata)},
		member{align: 1, data: unhex(c.Parent)},
		member{align: 1, data: c.related},
		member{align: 1, data: str(c.Subject)},
		member{align: 1, data: str(c.Body)},
		member{align: 8, size: 8, data: binary.BigEndian.AppendUint64(nil, uint64(c.Time.Unix()))}, //nolint:gosec // as it was read
		member{align: 1, data: unhex(c.Contents)},
		member{align: 1, data: unhex(c.Meta)},
	)
}

func unhex(s string) []byte {
	b, _ := hex.DecodeString(s) // only Parse and Promote fill these in
	return b
}

// Checksum names an object by its bytes.
func Checksum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Content is the checksum of what is in the commit, whoever made it and when:
// the ContentChecksum of `ostree show`.
func (c *Commit) Content() string {
	return Checksum(append(unhex(c.Contents), unhex(c.Meta)...))
}

// Get finds an entry of the metadata; it is empty when there is none.
func (c *Commit) Get(key string) Entry {
	for _, e := range c.Metadata {
		if e.Key == key {
			return e
		}
	}
	return Entry{}
}

// Origin says where a promoted commit comes from and goes to.
type Origin struct {
	// Of is the checksum of the commit that was tested.
	Of string
	// Build is its build, "STREAM/BUILD".
	Build string
	// Ref is what readers find it under.
	Ref string
	// Why it cannot be the tested commit itself.
	Why string
	// Parent is the commit that was out before, if any.
	Parent string
}

// Promote makes a commit with the content, time and metadata of c, bound to the
// ref of the release instead of that of the build, and naming its origin. The
// same arguments give the same bytes.
func (c *Commit) Promote(o Origin) *Commit {
	p := *c
	p.Parent = o.Parent
	drop := []string{KeyBinding, KeyPromotionOf, KeyBuild, KeyWhy}
	if !slices.Contains(c.Get(KeyBinding).Strings(), o.Ref) {
		drop = append(drop, KeyCollection) // another ref is of another collection
	}
	p.Metadata = slices.DeleteFunc(slices.Clone(c.Metadata), func(e Entry) bool { return slices.Contains(drop, e.Key) })
	p.Metadata = append(p.Metadata, textsEntry(KeyBinding, o.Ref),
		textEntry(KeyPromotionOf, o.Of), textEntry(KeyBuild, o.Build), textEntry(KeyWhy, o.Why))
	return &p
}
