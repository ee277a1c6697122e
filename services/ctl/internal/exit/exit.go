// Package exit holds the exit codes that scripts know from etcdctl, and errors that carry one. It does not end the process.
package exit

import (
	"errors"
	"fmt"
)

// The exit codes. 2 is also what a Go program ends with that panics; etcdctl gives all of these the same meaning.
const (
	Success     = 0
	Failure     = 1   // the request failed, or anything without a code of its own
	Connection  = 2   // no connection could be made, or a lease request failed
	Input       = 3   // what was read from the standard input cannot be understood
	Feature     = 4   // a flag has a value that there is none of
	Interrupted = 5   // something long was cut off: a watch, a snapshot
	IO          = 6   // a file cannot be written
	Arguments   = 128 // arguments are missing, too many or malformed
)

// Error is an error with an exit code.
type Error struct {
	Code int
	Err  error // nil where all has been said
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// With gives an error the exit code; nil stays nil.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Err: err}
}

// Withf makes an error with the exit code.
func Withf(code int, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Silently is an error that only ends the process: what there is to say has been printed.
func Silently(code int) error { return &Error{Code: code} }

// Code is the exit code of an error: Success of nil, Failure of one that carries none.
func Code(err error) int {
	var coded *Error
	switch {
	case err == nil:
		return Success
	case errors.As(err, &coded):
		return coded.Code
	}
	return Failure
}
