package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// caughtUpWithin is how long a member of an undisturbed cluster may take to apply all that was written.
const caughtUpWithin = 20 * time.Second

// ReadState asks one member alone for all that it holds, once it has applied everything up to a revision.
func ReadState(ctx context.Context, etcd *clientv3.Client, member string, revision int64) (history.MemberState, error) {
	state := history.MemberState{Member: member}
	ctx, cancel := context.WithTimeout(ctx, 2*caughtUpWithin)
	defer cancel()
	if err := awaitRevision(ctx, etcd, revision); err != nil {
		return state, fmt.Errorf("%s: %w", member, err)
	}
	all, err := etcd.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithSerializable())
	if err != nil {
		return state, fmt.Errorf("%s: all keys: %w", member, err)
	}
	state.Revision, state.Entries = all.Header.Revision, entries(all.Kvs)
	hash, err := etcd.HashKV(ctx, etcd.Endpoints()[0], revision)
	if err != nil {
		return state, fmt.Errorf("%s: hash: %w", member, err)
	}
	state.Hash = hash.Hash
	leases, err := etcd.Leases(ctx)
	if err != nil {
		return state, fmt.Errorf("%s: leases: %w", member, err)
	}
	for _, lease := range leases.Leases {
		state.Leases = append(state.Leases, int64(lease.ID))
	}
	slices.Sort(state.Leases)
	alarms, err := etcd.AlarmList(ctx)
	if err != nil {
		return state, fmt.Errorf("%s: alarms: %w", member, err)
	}
	for _, a := range alarms.Alarms {
		state.Alarms = append(state.Alarms, fmt.Sprintf("%v of member %x", a.Alarm, a.MemberID))
	}
	members, err := etcd.MemberList(ctx)
	if err != nil {
		return state, fmt.Errorf("%s: members: %w", member, err)
	}
	for _, m := range members.Members {
		state.Members = append(state.Members, m.ID)
	}
	slices.Sort(state.Members)
	state.Stored, err = recall(ctx, etcd, revision)
	if err != nil {
		return state, fmt.Errorf("%s: history: %w", member, err)
	}
	return state, nil
}

func awaitRevision(ctx context.Context, etcd *clientv3.Client, revision int64) error {
	ctx, cancel := context.WithTimeout(ctx, caughtUpWithin)
	defer cancel()
	for {
		resp, err := etcd.Get(ctx, "none", clientv3.WithSerializable())
		if err == nil && resp.Header.Revision >= revision {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("revision %d is not applied within %v", revision, caughtUpWithin), err)
		case <-time.After(pauseAfterError):
		}
	}
}

// recall reads the whole history up to a revision, at which something was written, by a watch from the first on.
func recall(ctx context.Context, etcd *clientv3.Client, revision int64) (history.Stored, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stored history.Stored
	for resp := range etcd.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithRev(1)) {
		if err := resp.Err(); err != nil {
			return nil, err
		}
		for _, ev := range resp.Events {
			e := event(ev)
			if n := len(stored); n == 0 || stored[n-1].Number != e.Mod {
				stored = append(stored, history.Revision{Number: e.Mod})
			}
			last := &stored[len(stored)-1]
			last.Events = append(last.Events, e)
		}
		if n := len(stored); n > 0 && stored[n-1].Number >= revision {
			return stored, nil
		}
	}
	return nil, fmt.Errorf("the watch ended: %w", ctx.Err())
}
