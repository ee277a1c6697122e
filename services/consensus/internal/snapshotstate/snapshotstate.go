// Package snapshotstate collects what a store holds, as the files of package snapshotfile take it. It reads rows alone, and neither writes files nor
// knows what becomes of them.
package snapshotstate

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
)

// Of collects the state as a snapshot of it has it. The snapshot must stay open as long as what is returned is used.
func Of(ctx context.Context, snapshot *mvcc.Snapshot) (snapshotfile.State, error) {
	index, term := snapshot.Applied()
	state := snapshotfile.State{
		AppliedIndex:      index,
		AppliedTerm:       term,
		CompactedRevision: snapshot.CompactedRevision(),
		ClusterVersion:    snapshotfile.StorageVersion,
		Alarms:            snapshot.Alarms(),
	}
	version, confState, err := membership.Read(snapshot)
	if err != nil {
		return snapshotfile.State{}, err
	}
	state.Members, state.ConfState = version.GetMembers(), confState
	users, err := auth.Load(snapshot.Records)
	if err != nil {
		return snapshotfile.State{}, err
	}
	state.Auth, state.Users, state.Roles = users.Exported()
	leases, err := snapshot.Leases()
	if err != nil {
		return snapshotfile.State{}, err
	}
	state.Leases = func(yield func(*consensusv1.Lease, error) bool) {
		for _, lease := range leases {
			if !yield(lease, nil) {
				return
			}
		}
	}
	state.Versions = walked(func(yield func(snapshotfile.Version) error) error {
		return snapshot.Versions(ctx, func(sub, expiration int64, tombstone bool, kv *mvccpb.KeyValue) error {
			return yield(snapshotfile.Version{Sub: sub, Tombstone: tombstone, KV: kv, Expiration: expiration})
		})
	})
	state.Ours, err = oursOf(ctx, snapshot)
	return state, err
}

// oursOf is what etcd's files have no place for. What is in use for longer than it was made for, and what signs tokens, stays here.
func oursOf(ctx context.Context, snapshot *mvcc.Snapshot) (*snapshotfile.Ours, error) {
	ours := &snapshotfile.Ours{Revision: snapshot.Revision()}
	err := snapshot.Records(func(name string, value []byte) error {
		if prefixquota.IsRecord(name) {
			ours.Records = append(ours.Records, snapshotfile.Record{Name: name, Value: bytes.Clone(value)})
		}
		return nil
	})
	ours.Dirs = walked(func(yield func(snapshotfile.Dir) error) error {
		return snapshot.Dirs(ctx, func(path []byte, dir *mvcc.Dir) error {
			return yield(snapshotfile.Dir{Path: path, Create: dir.Create, Mod: dir.Mod, Expiration: dir.Expiration})
		})
	})
	ours.Times = walked(func(yield func(snapshotfile.Time) error) error {
		return snapshot.Times(ctx, func(revision, nanoseconds int64) error {
			return yield(snapshotfile.Time{Revision: revision, Nanoseconds: nanoseconds})
		})
	})
	return ours, err
}

// walked makes an iterator of a function that calls another one with each.
func walked[T any](walk func(yield func(T) error) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		errEnough := errors.New("enough")
		err := walk(func(t T) error {
			if !yield(t, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			var none T
			yield(none, err)
		}
	}
}
