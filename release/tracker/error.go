package tracker

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"assay/release"
)

// ErrGone means that an issue is not there (any more), or not for this account.
var ErrGone = errors.New("no such issue")

// StatusError is an answer that is no success. It wraps release.ErrPermanent
// when the same request would be refused tomorrow, too.
type StatusError struct {
	// Method and Path are those of the request; Error leaves them to url.Error,
	// which wraps this.
	Method, Path string
	// Code is the HTTP status.
	Code int
	// Message is what the service says about it: one cleaned line.
	Message string
	// Hint tells a person what to do.
	Hint string
	// Limited is true when the service counts our requests and has had enough.
	Limited bool

	after time.Duration
}

var _ release.Patient = (*StatusError)(nil)

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// RetryAfter is how long the service asks to be left alone; 0 when it does not.
func (e *StatusError) RetryAfter() time.Duration { return e.after }

// Unwrap makes errors.Is(e, release.ErrPermanent) tell whether waiting helps.
func (e *StatusError) Unwrap() error {
	switch {
	case e.Limited, e.Code >= 500:
		return nil
	case e.Code == http.StatusRequestTimeout, e.Code == http.StatusConflict, e.Code == http.StatusTooEarly, e.Code == http.StatusTooManyRequests:
		return nil
	}
	return release.ErrPermanent
}

// IsStatus reports whether err is an answer with one of the codes.
func IsStatus(err error, codes ...int) bool {
	var e *StatusError
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// Gone turns the answer that an issue is not there into ErrGone.
func Gone(err error) error {
	if IsStatus(err, http.StatusNotFound, http.StatusGone) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

// Permanent marks an error as one that waiting does not mend.
func Permanent(err error) error { return fmt.Errorf("%w: %w", err, release.ErrPermanent) }

func permanent(format string, args ...any) error {
	return Permanent(fmt.Errorf(format, args...))
}
