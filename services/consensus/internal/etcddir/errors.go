package etcddir

import "errors"

var (
	// ErrForeign is returned when a directory is not an etcd's.
	ErrForeign = errors.New("is no data directory of etcd's")
	// ErrDamaged is returned when a file is not what was written, or one is missing.
	ErrDamaged = errors.New("is damaged")
	// errTorn says that a record was not written whole.
	errTorn = errors.New("a record was not written whole")
)
