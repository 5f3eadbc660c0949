package release_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"assay/release"
	"assay/release/releasetest"
)

// agree reads an event as it is, and once more with a blank that keeps its lists
// of checks from being recognised by their bytes.
func agree(t *testing.T, raw []byte) (release.Event, error) {
	t.Helper()
	e, err := release.Decode(raw)
	plain, perr := release.Decode(bytes.ReplaceAll(raw, []byte(`,"passed":[`), []byte(`,"passed": [`)))
	if (err == nil) != (perr == nil) || err != nil && err.Error() != perr.Error() || !reflect.DeepEqual(e, plain) {
		t.Fatalf("%s\nreads as %+v, %v\nand plainly as %+v, %v", raw, e.Fact, err, plain.Fact, perr)
	}
	return e, err
}

// TestListsAreReadWhereTheyStand: what is recognised by its bytes alone is taken
// only for what it is.
func TestListsAreReadWhereTheyStand(t *testing.T) {
	f := releasetest.Answer("20261102_01", releasetest.QCOW2, 1, releasetest.Start, releasetest.Failed("upgrade/plain"))
	f.Passed = release.CheckList{"base/running", "base/a]b", "base/clock", "storage/pool"}
	raw, err := release.Encode(release.Head{Seq: 6, Hash: releasetest.Digest("20261102_01", "x/y")}, event(t, f))
	if err != nil {
		t.Fatal(err)
	}
	const whole, key = `,"passed":["base/running","base/a]b","base/clock","storage/pool"]`, `,"passed":[`
	if !strings.Contains(string(raw), whole) {
		t.Fatalf("no list in %s", raw)
	}
	good := strings.Replace(string(raw), "a]b", "ab", 1)
	list := strings.Replace(whole, "a]b", "ab", 1)
	for name, c := range map[string]struct {
		raw    string
		passed int
	}{
		"a bracket in a name":  {string(raw), 4},
		"as it is written":     {good, 4},
		"nowhere":              {strings.Replace(good, list, "", 1), 0},
		"empty":                {strings.Replace(good, list, key+"]", 1), 0},
		"twice":                {strings.Replace(good, list, list+`,"passed":["base/other"]`, 1), 1},
		"in a field to come":   {strings.Replace(good, list, `,"more":{"x":1`+list+`}`, 1), 0},
		"in a case":            {strings.Replace(strings.Replace(good, list, "", 1), `"outcome":"failed"`, `"outcome":"failed"`+list, 1), 0},
		"beside the content":   {strings.Replace(strings.Replace(good, list, "", 1), `,"data":`, list+`,"data":`, 1), 0},
		"there and in a field": {strings.Replace(good, list, list+`,"more":{"x":1`+strings.Replace(list, "clock", "other", 1)+`}`, 1), 4},
		"in a text":            {strings.Replace(strings.Replace(good, list, "", 1), `"reason":"`, `"reason":"`+strings.ReplaceAll(list, `"`, `\"`), 1), 0},
		"a name that is none":  {strings.Replace(good, `"base/clock"`, `"clock"`, 1), -1},
		"a number":             {strings.Replace(good, `"base/clock"`, `7`, 1), -1},
		"a NUL":                {strings.Replace(good, list, key+`"\u0000"]`, 1), -1},
		"cut off":              {good[:strings.Index(good, list)+30], -1},
	} {
		for range 2 { // read, and found again
			e, err := agree(t, []byte(c.raw))
			a, _ := e.Fact.(*release.TestAnswered)
			if (err == nil) != (c.passed >= 0) || err == nil && (a == nil || len(a.Passed) != c.passed) {
				t.Errorf("%s: %+v, %v", name, e.Fact, err)
			}
		}
	}
}

func FuzzLists(f *testing.F) {
	a := releasetest.Answer("20261102_01", releasetest.QCOW2, 1, releasetest.Start)
	raw, err := release.Encode(release.Head{}, event(f, a))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(bytes.Replace(raw, []byte(`,"passed":[`), []byte(`,"x":{"y":1,"passed":["a/b"]},"passed":[`), 1))
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, raw) })
}
