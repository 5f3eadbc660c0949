package packages

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Package{
		"bash-5.2.15-1.fc43.x86_64":           {"bash", "", "5.2.15", "1.fc43", "x86_64"},
		"perl-libs-4:5.40.0-510.fc43.aarch64": {"perl-libs", "4", "5.40.0", "510.fc43", "aarch64"},
		"4:perl-libs-5.40.0-510.fc43.aarch64": {"perl-libs", "4", "5.40.0", "510.fc43", "aarch64"},
		"python3.14-3.14.0~rc1-1.fc43.noarch": {"python3.14", "", "3.14.0~rc1", "1.fc43", "noarch"},
	} {
		got, err := Parse(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s again: %+v, %v", s, again, err)
		}
	}
	for _, s := range []string{"", "bash", "bash.x86_64", "bash-5.x86_64", "-1-1.x86_64", "bash-5-1.", "a b-1-1.x86_64", "1:bash-2:5-1.x86_64", "../x-1-1.x86_64"} {
		if p, err := Parse(s); err == nil {
			t.Errorf("%q is %+v", s, p)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	// Oldest first; rpm's own tests have the same pairs.
	for _, l := range [][]string{
		{"1.0~rc1", "1.0~rc2", "1.0", "1.0^git1", "1.0.1"},
		{"2.0", "2.0.1", "2.0.1a"},
		{"5.5p1", "5.5p2", "5.5p10"},
		{"10xyz", "10.1xyz"},
		{"xyz10", "xyz10.1"},
		{"xyz.4", "2", "8"},
		{"1.0^", "1.0^git1", "1.0^git2", "1.01"},
		{"6.0.rc1", "6.0"},
		{"20101121", "20101122"},
	} {
		if l[0] == "6.0.rc1" { // a suffix makes it newer: why '~' was invented
			l = []string{"6.0", "6.0.rc1"}
		}
		for i, a := range l {
			for j, b := range l {
				got := CompareVersions(a, b)
				if sign(got) != sign(i-j) {
					t.Errorf("%s and %s: %d", a, b, got)
				}
			}
		}
	}
	for a, b := range map[string]string{"1.0": "1_0", "0001": "1", "2.0.1": "2-0-1"} {
		if CompareVersions(a, b) != 0 {
			t.Errorf("%s and %s differ", a, b)
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestDiff(t *testing.T) {
	from, err := ParseList("# was\nbash-5.1-1.x86_64\nkernel-6.1-1.x86_64\nkernel-6.2-1.x86_64\nold-1-1.noarch\nsame-1-1.noarch\nback-2-1.noarch\n")
	if err != nil {
		t.Fatal(err)
	}
	to, err := ParseList("bash-1:5.0-1.x86_64\nkernel-6.2-1.x86_64\nkernel-6.3-1.x86_64\nnew-1-1.noarch\nsame-1-1.noarch\nback-1-1.noarch\nsame-1-1.noarch")
	if err != nil {
		t.Fatal(err)
	}
	d := Compare(from, to)
	want := Diff{Added: []Change{{"new", "", "1-1"}}, Removed: []Change{{"old", "1-1", ""}},
		Upgraded: []Change{{"bash", "5.1-1", "1:5.0-1"}, {"kernel", "6.1-1", "6.3-1"}}, Downgraded: []Change{{"back", "2-1", "1-1"}}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("%+v", d)
	}
	if text := d.Text(1); text != "Upgraded (2):\n  bash 5.1-1 -> 1:5.0-1\n  and 1 more\nDowngraded (1):\n  back 2-1 -> 1-1\nAdded (1):\n  new 1-1\nRemoved (1):\n  old 1-1\n" {
		t.Errorf("%s", text)
	}
	two := Compare([]string{"glibc-2.42-1.i686", "glibc-2.42-1.x86_64"}, []string{"glibc-2.42-1.i686", "glibc-2.42-2.x86_64"})
	if len(two.Upgraded) != 1 || two.Upgraded[0].Name != "glibc.x86_64" {
		t.Errorf("of two architectures: %+v", two)
	}
	if !Compare(from, from).Empty() {
		t.Error("a list differs from itself")
	}
	if _, err := ParseList("bash-5.1-1.x86_64\nnonsense"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("1.0~rc1", "1.0^git")
	f.Fuzz(func(t *testing.T, a, b string) {
		if CompareVersions(a, b) != -CompareVersions(b, a) && sign(CompareVersions(a, b)) != -sign(CompareVersions(b, a)) {
			t.Fatal("it depends on the order")
		}
		if p, err := Parse(a); err == nil {
			if q, err := Parse(p.String()); err != nil || CompareEVR(p, q) != 0 {
				t.Fatalf("%q reads as %+v, then %+v (%v)", a, p, q, err)
			}
		}
	})
}
