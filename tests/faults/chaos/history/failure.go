package history

import "time"

// Failure is a request that ended in an error.
type Failure struct {
	// Endpoint is empty for a client that uses all.
	Endpoint     string
	Call, Return time.Duration
	// Request says what was asked, in a word.
	Request string
	Error   error
	// Abandoned is set when the client gave up although it would have waited for longer than any server may take.
	Abandoned bool
}

// Outage is a time in which nobody could expect an answer of an endpoint.
type Outage struct {
	Endpoint   string
	Begin, End time.Duration
}
