package lessor

import "time"

// Config is what a Lessor goes by.
type Config struct {
	// MinTTL is the shortest time that a lease has, in seconds.
	MinTTL int64
	// CheckpointInterval is the most that a lease goes without a keep-alive before its remaining time is recorded.
	CheckpointInterval time.Duration
	// Standby makes it wait for TakeOver.
	Standby bool
}

// Lessor is the state of a lease service. It is not safe for concurrent use.
type Lessor struct {
	table table
	role  Role
	// epoch is the newest that this service acquired.
	epoch uint64
	// tableEpoch is the epoch whose leases the table holds, 0 when the table is worthless.
	tableEpoch uint64
	// time is what leases are counted down by.
	time countdown
	// seen is the newest position that an answer of the store has shown since this service stood by last.
	seen Position
	// reconciled is when the leases were last compared with the store.
	reconciled Uptime
	effects    Effects
}

// New makes a Lessor that knows nothing.
func New(c Config) *Lessor {
	l := &Lessor{table: newTable(c.MinTTL, c.CheckpointInterval)}
	if c.Standby {
		l.role = Standby
	}
	return l
}

// Status is where a Lessor stands.
type Status struct {
	Role Role
	// Epoch is the newest that this service acquired, and TableEpoch the one whose leases it knows, 0 for none.
	Epoch, TableEpoch uint64
	// Leases are those counted down, and Revoking those of them whose revoke is under way.
	Leases, Revoking int
	// EpochOver says that the outcome of a grant or a revoke is unknown: only another epoch settles it.
	EpochOver bool
	// Reconciled is when the leases were last compared with the store.
	Reconciled Uptime
	// Seen is the newest position of the store that is known.
	Seen Position
}

// Status tells where it stands.
func (l *Lessor) Status() Status {
	t := &l.table
	return Status{
		Role: l.role, Epoch: l.epoch, TableEpoch: l.tableEpoch,
		Leases: len(t.leases), Revoking: len(t.revoking), EpochOver: len(t.unknown.epoch)+len(t.unknown.revokes) > 0,
		Reconciled: l.reconciled, Seen: l.seen,
	}
}

// Effects takes what follows from the steps since it was called last.
func (l *Lessor) Effects() Effects {
	e := l.effects
	l.effects = Effects{}
	return e
}

// See keeps the newest position that an answer of the store has shown.
func (l *Lessor) See(p Position) {
	l.seen.Revision = max(l.seen.Revision, p.Revision)
	l.seen.Term = max(l.seen.Term, p.Term)
}
