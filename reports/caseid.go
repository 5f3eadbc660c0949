package reports

import "strings"

// Suite is the first half of the id, the suite's name.
func (id CaseID) Suite() string {
	suite, _, _ := strings.Cut(string(id), "/")
	return suite
}
