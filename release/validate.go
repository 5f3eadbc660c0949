package release

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"assay/artifact"
	"assay/reports"
)

// Bounds of what an event may hold, in bytes or in entries: far above what real
// builds need, far below what would hurt a reader.
const (
	maxWord      = 4 << 10
	maxName      = 500
	maxLocation  = 2 << 10
	maxArtifacts = 200
	maxChecks    = 5000
	maxPackages  = 20000
	// MaxPolicy is for the file and those that it names together. Line breaks
	// and quotes take two bytes in an event.
	MaxPolicy      = 400 << 10
	maxPolicyFiles = 50
)

// validator gathers what is wrong with a fact. The first fault is enough.
type validator struct{ err error }

func (v *validator) check(err error) {
	if v.err == nil {
		v.err = err
	}
}

func (v *validator) wrap(what string, err error) {
	if err != nil {
		v.check(fmt.Errorf("%s: %w", what, err))
	}
}

func short(what, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(s), limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8", what)
	case strings.ContainsRune(s, 0):
		return fmt.Errorf("%s has a NUL character", what)
	}
	return nil
}

func needed(what, s string) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("%s is missing", what)
	}
	return nil
}

func (v *validator) name(what, s string) {
	v.check(needed(what, s))
	v.optional(what, s)
}

func (v *validator) optional(what, s string) { v.check(short(what, s, maxName)) }

func (v *validator) text(what, s string) { v.check(short(what, s, maxWord)) }

func (v *validator) link(what, s string) { v.check(short(what, s, maxLocation)) }

func (v *validator) digest(what string, d artifact.Digest) {
	got, err := artifact.ParseDigest(string(d))
	if err == nil && got != d {
		err = fmt.Errorf("digest %q is not in lower case", d)
	}
	v.wrap(what, err)
}

func (v *validator) policy(d artifact.Digest) {
	if d != "" {
		v.digest("policy", d)
	}
}

func (v *validator) moment(what string, t time.Time) {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 9999 {
		v.check(fmt.Errorf("%s is %s, which is no time of this world", what, t.Format(time.RFC3339)))
	}
}

func (v *validator) count(what string, n, limit int) {
	if n > limit {
		v.check(fmt.Errorf("%s has %d entries, more than %d", what, n, limit))
	}
}

func (v *validator) positive(what string, n int) {
	if n < 1 || n > 1_000_000 {
		v.check(fmt.Errorf("%s is %d, want 1 or more", what, n))
	}
}

func (v *validator) caseID(what string, id reports.CaseID) {
	v.name(what, string(id))
	if suite, check, ok := strings.Cut(string(id), "/"); v.err == nil && (!ok || suite == "" || check == "") {
		v.check(fmt.Errorf("%s is %.80q, want criterion/check", what, id))
	}
}

func (v *validator) word(w Word) {
	v.wrap("reason", needed("it", w.Reason))
	v.text("reason", w.Reason)
	v.link("tracker", w.Tracker)
}

func (v *validator) ref(what string, r BuildRef) {
	v.wrap(what, errors.Join(r.Stream.Validate(), r.Build.Validate()))
}

func (v *validator) key(k EffectKey) { v.name("effect key", string(k)) }

func hexChecksum(s string) error {
	if raw, err := hex.DecodeString(s); err != nil || len(raw) != 32 || strings.ToLower(s) != s {
		return fmt.Errorf("ostree commit %.80q: want 64 hexadecimal digits", s)
	}
	return nil
}

// fileName refuses what would leave a folder or hide in one.
func fileName(s string) error {
	if s == "" || s != path.Base(s) || strings.HasPrefix(s, ".") || strings.ContainsAny(s, "/\\\x00\r\n\t ") || len(s) > 250 {
		return fmt.Errorf("file name %.80q: want a plain name without folder, space or leading dot", s)
	}
	for _, r := range s {
		if r < 0x21 || r > 0x7e {
			return fmt.Errorf("file name %.80q: want printable ASCII", s)
		}
	}
	return nil
}
