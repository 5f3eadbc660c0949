package cloudinit

import (
	"errors"
	"fmt"
	"strings"
)

// InputError says that what the caller gave (a seed, a seed file, an ISO) is
// not acceptable; a command line answers it with its usage exit code.
type InputError struct {
	// File is where the input was read from; empty when it was a value.
	File string
	// Line and Column count from 1; 0 when the input has no lines.
	Line, Column int
	// Field is the path of the offending value, "users[0].name"; may be empty.
	Field string
	Err   error
}

// Error is "FILE:LINE:COLUMN: FIELD: cause", with the parts that are known.
func (e *InputError) Error() string {
	var b strings.Builder
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		fmt.Fprintf(&b, "%s: ", e.File)
	case e.Line > 0:
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "%s: ", e.Field)
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// maxProblems bounds how many faults of one input are told at once; a person
// mends the first few and asks again.
const maxProblems = 20

// problems gathers the faults of one value.
type problems struct {
	found []error
	more  int
}

func (p *problems) add(field, format string, args ...any) {
	if len(p.found) == maxProblems {
		p.more++
		return
	}
	p.found = append(p.found, &InputError{Field: field, Err: fmt.Errorf(format, args...)})
}

func (p *problems) err() error {
	if p.more > 0 {
		return errors.Join(append(p.found, &InputError{Err: fmt.Errorf("%d more problems", p.more)})...)
	}
	return errors.Join(p.found...)
}
