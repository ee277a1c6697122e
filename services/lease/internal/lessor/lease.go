package lessor

// lease is one that exists, so far as this service knows.
type lease struct {
	id int64
	// ttl is what a keep-alive gives. Seconds.
	ttl      int64
	deadline Instant
	// checkpointed says that the log may hold a remaining time for the lease, which a keep-alive must clear before it
	// is answered: a take-over would give no more than that.
	checkpointed bool
	// checkpointAt is when the remaining time is to be recorded, unless a keep-alive comes first.
	checkpointAt Instant
	// kept is when the lease was kept alive last, 0 if it was not since it was added.
	kept Instant
	// revoking says that a revoke has been or is about to be proposed. It never turns back while an epoch is held: the lease
	// stays in the table, latched, until the outcome is known.
	revoking bool
	// listed is the last reconciliation that had begun when the lease was added, or that found it in the store's list.
	listed uint64
	// at is the lease's place in table.order.
	at int

	expiry, checkpoint slot[*lease]
}
