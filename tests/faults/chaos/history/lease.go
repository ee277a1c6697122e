package history

import "time"

// Renewal is a keep-alive that was answered with success.
type Renewal struct {
	Call, Return time.Duration
	TTL          time.Duration
}

// Lease is the life of one lease as its holder saw it. A grant counts as its first renewal.
type Lease struct {
	ID  int64
	TTL time.Duration
	// Keys are those attached to it.
	Keys []string
	// Renewals are ordered.
	Renewals []Renewal
	// Gone are the times at which the holder was told that there is no such lease.
	Gone []time.Duration
	// Touched is when the holder last tried to do anything with it: from then on it is left to expire.
	Touched time.Duration
	// Revoked is set when the holder asked for its end, which may come at any time after RevokeCall.
	Revoked    bool
	RevokeCall time.Duration
}

// Calm is a stretch of time in which nothing was broken and every member served.
type Calm struct {
	Begin, End time.Duration
}
