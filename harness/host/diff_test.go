package host

import (
	"reflect"
	"testing"
)

func TestParseDiff(t *testing.T) {
	head := "ostree diff commit old: a^ (" + sumA + ")\nostree diff commit new: " + sumA + "\n"
	d, err := ParseDiff(head + "Upgraded:\n  rpm 1:4-1.x86_64 -> 1:4-2.x86_64\nDowngraded:\n  b 2-1 -> 1-1\nRemoved:\n  c-1-1.noarch\nAdded:\n  d-1-1.x86_64\n e-1-1.x86_64\n")
	want := Diff{From: sumA, To: sumA, Upgraded: []Replacement{{"rpm", "1:4-1.x86_64", "1:4-2.x86_64"}}, Downgraded: []Replacement{{"b", "2-1", "1-1"}},
		Removed: []string{"c-1-1.noarch"}, Added: []string{"d-1-1.x86_64", "e-1-1.x86_64"}}
	if err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := ParseDiff(head + "+a-1-1.x86_64\n-b-1-1.x86_64\n!c-2-1.x86_64\n=c-1-1.x86_64\n"); err != nil || len(d.Added)+len(d.Removed)+len(d.Changed) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := ParseDiff(head); err != nil || !d.Empty() {
		t.Errorf("%+v, %v", d, err)
	}
	for _, bad := range []string{"", "Added:\n  a-1-1.x86_64\n", head + "error: no\n", head + "Added:\n  what is this\n"} {
		if d, err := ParseDiff(bad); err == nil {
			t.Errorf("%q gives %+v", bad, d)
		}
	}
}

func TestParsePackages(t *testing.T) {
	commit, all, err := ParsePackages("ostree commit: r:os (" + sumA + ")\n GeoIP-1.6.11-1.fc26.x86_64\n NetworkManager-1:1.8.2-1.fc26.x86_64\n")
	if err != nil || commit != sumA || len(all) != 2 {
		t.Errorf("%s %q, %v", commit, all, err)
	}
	for _, bad := range []string{"", " a-1-1.x86_64\n", "ostree commit: a\n what\n", "ostree commit: a\nostree commit: b\n"} {
		if _, all, err := ParsePackages(bad); err == nil {
			t.Errorf("%q gives %q", bad, all)
		}
	}
}
