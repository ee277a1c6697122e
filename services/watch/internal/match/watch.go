package match

// watch is one cursor of a session: everything before next is on its way to the client or was delivered.
//
// It is in one of three states. A live watch is a member of its group, and the node queues what the group finds. A
// watch that is behind, because it began in the past or its session's queue was full, is in no group: it stands in
// its session's line, and whoever calls Next reads on for it, from the ring or from history, until it has reached the
// node's position and turns live. An ended watch is nowhere, but deliveries of it may be queued.
//
// Who may touch what:
//   - id, sel, session, notify, once never change.
//   - group, place, quiet: under the node's lock. group is nil unless the watch is live.
//   - ended: written under the node's and the session's lock, read under either.
//   - next: written under both locks, except that Next's goroutine owns it while it reads on for the watch.
//   - queued, inLine, vetted: the first two under the session's lock; vetted by Next's goroutine only.
type watch struct {
	id      int64
	sel     selector
	session *Session
	notify  bool
	once    bool // the first revision is enough

	group *group
	place int
	// quiet says that nothing was delivered since the last look at who is due for progress.
	quiet bool

	next int64
	// queued counts the deliveries in the session's queue.
	queued int
	// inLine says that it stands in the session's line.
	inLine bool
	// vetted says that history has confirmed that next was not compacted when the watch began.
	vetted bool
	ended  bool
}
