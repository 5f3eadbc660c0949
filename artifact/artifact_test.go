package artifact

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestParseDigest(t *testing.T) {
	want := DigestOf(sha256.Sum256([]byte("x")))
	for _, in := range []string{string(want), want.Hex(), strings.ToUpper(want.Hex())} {
		got, err := ParseDigest(in)
		if err != nil || got != want {
			t.Errorf("ParseDigest(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "sha256:", "sha256:00", "md5:" + want.Hex(), want.Hex() + "00", strings.Repeat("g", 64)} {
		if got, err := ParseDigest(in); err == nil {
			t.Errorf("ParseDigest(%q) = %q; want an error", in, got)
		}
	}
}
