package release

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"

	"assay/reports"
)

// CheckList is names of checks. Lists that were read from the history are
// shared, and not to be modified.
type CheckList []reports.CaseID

// Night after night the same checks pass, and their names are most of what a
// history has to read. So each list is read once, and found again by its bytes.

// passedKey begins such a list in an answer. The bytes stand in no string: there
// the quotation marks would follow a backslash.
var passedKey = []byte(`,"passed":[`)

// standIn is what stands in place of a list that was cut out: no check is called
// so.
const standIn = "\x00"

var standInList = []byte(`["\u0000"]`)

// cutPassed returns an event without the names of the checks that passed, and
// those names. Whether it was that list of the answer, and none of the same key
// elsewhere, is seen when the rest was decoded: see restore.
func cutPassed(raw []byte) (rest []byte, list CheckList, ok bool) {
	at := bytes.Index(raw, passedKey)
	if at < 0 || bytes.Contains(raw[at+1:], passedKey) {
		return raw, nil, false
	}
	start := at + len(passedKey) - 1
	// A bracket within a name leaves a list that is no JSON, which is not cut.
	n := bytes.IndexByte(raw[start:], ']') + 1
	if n <= len(standInList) {
		return raw, nil, false
	}
	if list, ok = passedLists.read(raw[start : start+n]); !ok {
		return raw, nil, false
	}
	rest = make([]byte, 0, len(raw)-n+len(standInList))
	rest = append(append(append(rest, raw[:start]...), standInList...), raw[start+n:]...)
	return rest, list, true
}

// restore puts the list back, if it was cut out of where it belongs.
func restore(f Fact, list CheckList) bool {
	a, ok := f.(*TestAnswered)
	if !ok || len(a.Passed) != 1 || a.Passed[0] != standIn {
		return false
	}
	a.Passed = list
	return true
}

// listCache has lists by the bytes they were read from. It saves work and
// decides nothing.
type listCache struct {
	mu    sync.RWMutex
	known map[string]CheckList
	size  int
}

var passedLists = listCache{known: map[string]CheckList{}}

// maxLists bounds what is remembered, in bytes of JSON.
const maxLists = 16 << 20

func (c *listCache) read(raw []byte) (CheckList, bool) {
	c.mu.RLock()
	list, ok := c.known[string(raw)]
	c.mu.RUnlock()
	if ok {
		return list, true
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	list = slices.Clip(list)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size += len(raw); c.size > maxLists {
		clear(c.known)
		c.size = len(raw)
	}
	c.known[string(raw)] = list
	return list, true
}
