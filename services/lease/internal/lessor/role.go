package lessor

// Role is what a lease service may do with leases.
type Role int

const (
	// Acquiring: not sure to hold the newest epoch. Requests wait for what comes of it.
	Acquiring Role = iota
	// Active: it holds the newest epoch, so far as is known. Leases are counted down, requests are answered.
	Active
	// Standby: another holder has a newer epoch, or nobody has told this one to take over. Requests are refused.
	Standby
	// Stopped for good.
	Stopped
)

// Position is a moment of the store, for the headers of answers.
type Position struct {
	Revision int64
	Term     uint64
}

// Effects are what follows from a step: who has to be woken, and what ends.
type Effects struct {
	// Turned: the role has changed.
	Turned bool
	// Ended is why what is done under the epoch, or to acquire one, must end; nil if it goes on.
	Ended error
	// TakeOver, Expire, Reconcile and Epoch: an epoch is to be acquired, leases may have expired or must be revoked, the table is
	// to be reconciled with the store, the epoch is to be given up for the next one.
	TakeOver, Expire, Reconcile, Epoch bool
}
