package offline

import (
	"errors"

	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// Errors of what is wrong with a member's data directory.
var (
	// ErrNoData is returned when there is no member's data in a directory.
	ErrNoData = errors.New("holds no data of a member")
	// ErrNoState is returned when a member that was to join a cluster has not got its state yet.
	ErrNoState = errors.New("holds no state yet: the member has not joined its cluster")
	// ErrInUse is returned when a member has the data directory open.
	ErrInUse = errors.New("is in use: stop the member first")
	// ErrStateDamaged is returned when the state is not what was written to it.
	ErrStateDamaged = mvcc.ErrDamaged
)
