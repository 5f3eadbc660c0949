package release

import (
	"fmt"
	"strings"
	"time"

	"assay/artifact"
)

// InForce is the policy that a stream is released by, as far as State keeps it.
type InForce struct {
	Digest artifact.Digest `json:"digest"`
	// Since is when it was set.
	Since time.Time `json:"since"`
	// Seq is its policy.set event, which has the text.
	Seq uint64 `json:"seq"`
}

// PolicyDigest is the SHA-256 of the text where no files are named: what
// sha256sum says of the policy file. With files it is that of a list of
// digests and names.
func PolicyDigest(text string, files []PolicyFile) artifact.Digest {
	if len(files) == 0 {
		return HashOf([]byte(text))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", HashOf([]byte(text)))
	for _, f := range files {
		fmt.Fprintf(&b, "%s %q\n", HashOf([]byte(f.Text)), f.Name)
	}
	return HashOf([]byte(b.String()))
}

// Digest is that of the policy's text, empty when it came from no file.
func (p *Policy) Digest() artifact.Digest {
	if p.Source == nil {
		return ""
	}
	return p.Source.Digest
}

// isInForce reports whether nothing has to be said of the policy: it is the one
// in force, or there is no text of it.
func (p *Policy) isInForce(l *Line) bool {
	return p.Source == nil || l.Policy != nil && l.Policy.Digest == p.Source.Digest
}

// judgedBy says by which policy something was explained; empty when policy and
// history have no text of one.
func judgedBy(p *Policy, l *Line) string {
	in := l.Policy
	switch {
	case in == nil && p.Source == nil:
		return ""
	case in == nil:
		return "The history has no policy of that time: this is by the one given now."
	case p.Digest() == in.Digest:
		return fmt.Sprintf("By the policy that was set %s (%s).", stamp(in.Since), shortDigest(in.Digest))
	}
	return fmt.Sprintf("By another policy than the one in force, which was set %s (%s).", stamp(in.Since), shortDigest(in.Digest))
}

func shortDigest(d artifact.Digest) string { return fmt.Sprintf("%.19s", d) }
