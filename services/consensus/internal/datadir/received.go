package datadir

import (
	"errors"
	"fmt"
	"log/slog"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// Received is another member's state, which lies beside the member's own.
type Received struct {
	State
	Index, Term uint64
	Version     *consensusv1.MembersResponse
	ConfState   *raftpb.ConfState
}

// Receiving says what was received, and for whom.
type Receiving struct {
	Dir
	// Owner is the member whose state it becomes.
	Owner Identity
	Store StoreOptions
	// Files is where the files lie, complete and synced, and Index the one that they were announced with.
	Files  string
	Index  uint64
	Logger *slog.Logger
	// Fatal is told that the store has failed while it is the member's, and Failing that it has otherwise.
	Fatal, Failing func(error)
}

// Receive makes the files that were received the owner's. Where it fails nothing is left of them.
func Receive(r Receiving) (_ *Received, err error) {
	// No state that is or was in use has this name: it would have been announced with an index that is applied.
	next := &Received{State: State{Name: fmt.Sprintf("%s%d", ReceivedPrefix, r.Index)}}
	name := next.Name
	if err := durabledir.Replace(r.FS, r.Files, r.Path(name)); err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		if next.Store != nil {
			err = errors.Join(err, next.Discard())
		}
		err = errors.Join(err, r.Remove(name))
	}()
	if next.State, err = openState(r.Dir, name, r.Store, r.Logger, r.Fatal, r.Failing, nil); err != nil {
		return nil, err
	}
	stored, err := readIdentity(next.Store)
	if err != nil {
		return nil, err
	}
	if stored.ClusterID != r.Owner.ClusterID {
		return nil, fmt.Errorf("%w: it is of cluster %x", ErrForeignData, stored.ClusterID)
	}
	if next.Version, next.ConfState, err = membership.Read(next.Store); err != nil {
		return nil, err
	}
	if next.Index, next.Term = next.Applied(); next.Index < r.Index {
		return nil, fmt.Errorf("it is at log index %d and was announced with %d", next.Index, r.Index)
	}
	batch := next.Begin()
	defer batch.Close()
	batch.SetMeta(metaIdentity, encodeIdentity(r.Owner))
	if err := batch.Commit(); err != nil {
		return nil, err
	}
	return next, next.Flush()
}
