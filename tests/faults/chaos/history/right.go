package history

import (
	"fmt"
	"time"
)

// Right is what a user may be given: to read and write all keys under a prefix.
type Right struct {
	User, Prefix string
}

// RightChange is one grant or revoke of a right. Nobody else changes this right meanwhile.
type RightChange struct {
	Right
	Grant        bool
	Call, Return time.Duration
	// Outcome is Answered also if the store said that nothing had to be changed.
	Outcome Outcome
}

// String tells the change in a line.
func (c RightChange) String() string {
	what := "revoke"
	if c.Grant {
		what = "grant"
	}
	return fmt.Sprintf("%s of %s to %s [%v, %v]", what, c.Prefix, c.User, c.Call.Round(time.Microsecond), c.Return.Round(time.Microsecond))
}

// Access is how a request of a user ended that needs a right.
type Access int

const (
	// Allowed means that the store answered.
	Allowed Access = iota
	// Denied means that the store said that the user has no right to it.
	Denied
	// Undetermined means any other end.
	Undetermined
)

// UserRequest is an operation that a user asked for, all of it under the prefix of Right. It is no serializable read: such a one may be judged by rights that
// have passed.
type UserRequest struct {
	Right
	Operation Operation
	Access    Access
}

// UserWatch is one watch of a user, on one stream, from the present on.
type UserWatch struct {
	Right
	Endpoint string
	// Created is set if the store said that it watches, at CreatedAt.
	Created              bool
	Call, CreatedAt, End time.Duration
	// Denied is set if the store ended it, or refused it, because the user has no right to it.
	Denied bool
	Events []Seen
}

// String tells the watch in a line.
func (w *UserWatch) String() string {
	return fmt.Sprintf("watch of %s by %s at %s [%v, %v]", w.Prefix, w.User, w.Endpoint, w.Call.Round(time.Microsecond), w.End.Round(time.Microsecond))
}
