package guest

import "fmt"

// DefaultJournalLimit is how many entries a JournalQuery without a Limit gives.
const DefaultJournalLimit = 10000

// TooLargeError means a file holds more than the caller wanted to read.
type TooLargeError struct {
	Path  string
	Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("cannot read %s: it is larger than %d bytes", e.Path, e.Limit)
}
