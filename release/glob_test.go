package release_test

import (
	"testing"

	"assay/release"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		glob release.Glob
		s    string
		want bool
	}{
		{"", "a/b", true}, {"*", "a/b", true}, {"a/b", "a/b", true}, {"a/b", "a/bc", false}, {"a/*", "a/b/c", true}, {"a/*", "b/a/", false},
		{"*/b", "a/b", true}, {"*/x86_64", "raw.xz/x86_64", true}, {"a?b", "a/b", true}, {"[ab]/*", "b/c", true}, {"[ab]/*", "c/c", false},
		{`a\*`, "a*", true}, {`a\*`, "ab", false}, {"[", "[", false},
	} {
		if got := c.glob.Match(c.s); got != c.want {
			t.Errorf("%q and %q: %v", c.glob, c.s, got)
		}
	}
}
