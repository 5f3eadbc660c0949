package commit

import (
	"bytes"
	"fmt"
	"slices"
)

// Keys under which ostree keeps signatures, beside commits and summaries alike.
const (
	KeyOpenPGP = "ostree.gpgsigs"
	KeyEd25519 = "ostree.sign.ed25519"
)

// Detached is the detached metadata of a commit (objects/XX/YYY.commitmeta), or
// the signatures of a summary (summary.sig): both have one form.
type Detached struct{ entries []Entry }

// ParseDetached reads it. No bytes are no metadata.
func ParseDetached(raw []byte) (*Detached, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("cannot read ostree signatures: %d bytes, more than %d", len(raw), MaxSize)
	}
	entries, err := readDictionary(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read ostree signatures: %w", err)
	}
	return &Detached{entries}, nil
}

// Bytes is the object.
func (d *Detached) Bytes() []byte { return dictionary(d.entries) }

// Signatures are those under KeyOpenPGP or KeyEd25519.
func (d *Detached) Signatures(key string) [][]byte {
	for _, e := range d.entries {
		if e.Key == key && e.Type == "aay" {
			s, err := unarray(e.Data, 1)
			if err != nil {
				return nil
			}
			return s
		}
	}
	return nil
}

// Add adds a signature, once.
func (d *Detached) Add(key string, signature []byte) {
	all := d.Signatures(key)
	if slices.ContainsFunc(all, func(s []byte) bool { return bytes.Equal(s, signature) }) {
		return
	}
	e := Entry{key, "aay", array(1, append(slices.Clone(all), signature)...)}
	if i := slices.IndexFunc(d.entries, func(e Entry) bool { return e.Key == key }); i >= 0 {
		d.entries[i] = e
		return
	}
	d.entries = append(d.entries, e)
}

// Merge adds the signatures of o, and what else it has that d has not.
func (d *Detached) Merge(o *Detached) {
	for _, e := range o.entries {
		if e.Type == "aay" {
			for _, s := range o.Signatures(e.Key) {
				d.Add(e.Key, s)
			}
			continue
		}
		if !slices.ContainsFunc(d.entries, func(x Entry) bool { return x.Key == e.Key }) {
			d.entries = append(d.entries, e)
		}
	}
}
