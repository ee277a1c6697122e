package consensus

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/buildinfo"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
)

// Leases lists the leases that exist.
func (m *Member) Leases(ctx context.Context, req *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error) {
	resp := &consensusv1.LeasesResponse{}
	err := m.reader.readData(ctx, req.GetSerializable(), func(t *gate.Tenure) error {
		return t.Reading(ctx, func(ctx context.Context) (err error) {
			resp.Leases, err = t.Store.Leases(ctx)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// LeaseKeys lists the keys attached to a lease: errdefs.ErrLeaseNotFound where there is none.
func (m *Member) LeaseKeys(ctx context.Context, req *consensusv1.LeaseKeysRequest) (*consensusv1.LeaseKeysResponse, error) {
	resp := &consensusv1.LeaseKeysResponse{}
	err := m.reader.readData(ctx, false, func(t *gate.Tenure) error {
		return t.Reading(ctx, func(ctx context.Context) error {
			keys, exists, err := t.Store.LeaseKeys(ctx, req.GetId())
			if err == nil && !exists {
				err = fmt.Errorf("keys of lease %x: %w", req.GetId(), errdefs.ErrLeaseNotFound)
			}
			resp.Keys = keys
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Status tells how the member is. It waits for nothing but, for a moment, what its caller has seen.
func (m *Member) Status(ctx context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	m.reader.awaitShown(ctx, req.GetSeen())
	tenure, ok := m.gate.Enter()
	if !ok {
		return nil, fmt.Errorf("status: %w", errdefs.ErrStopped)
	}
	defer tenure.Leave()
	store := tenure.Store
	disk, inUse := store.Size()
	resp := &consensusv1.StatusResponse{
		ClusterId:         m.cfg.ClusterID,
		MemberId:          m.cfg.MemberID,
		LeaderId:          m.replica.LeaderID(),
		RaftTerm:          m.replica.Term(),
		RaftIndex:         max(m.replica.Committed(), m.replica.Applied()),
		RaftAppliedIndex:  m.replica.Applied(),
		Revision:          store.Revision(),
		CompactedRevision: store.CompactedRevision(),
		DbSize:            disk,
		DbSizeInUse:       inUse,
		DbSizeQuota:       m.cfg.QuotaBytes,
		LeaseEpoch:        store.LeaseEpoch(),
		FeedRevision:      m.feed.Oldest(),
		DiskFree:          m.space.freeBytes(),
		Build:             buildinfo.Revision(),
	}
	resp.IsLearner = m.members.Find(m.cfg.MemberID).GetIsLearner()
	if resp.GetLeaderId() == raft.None {
		resp.Errors = append(resp.Errors, errdefs.ErrNoLeader.Error())
	}
	for _, alarm := range store.Alarms() {
		resp.Errors = append(resp.Errors, fmt.Sprintf("memberID:%d alarm:%s ", alarm.GetMemberId(), alarmName(alarm)))
	}
	return resp, nil
}

// Members lists the cluster's members, ascending by id.
func (m *Member) Members(ctx context.Context, req *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
	if !req.GetSerializable() {
		if err := m.reader.linearize(ctx); err != nil {
			return nil, err
		}
	}
	return m.members.Newest(), nil
}

// Alarms lists the raised alarms.
func (m *Member) Alarms(ctx context.Context, req *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	m.reader.awaitShown(ctx, req.GetSeen())
	return &consensusv1.AlarmsResponse{Alarms: m.gate.State().Alarms()}, nil
}

// HashKV hashes what is visible between the compacted and the given revision of this member. Of those beyond hashesMax each
// waits until one has ended.
func (m *Member) HashKV(ctx context.Context, req *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error) {
	m.reader.awaitShown(ctx, req.GetSeen())
	select {
	case m.hashes <- struct{}{}:
		defer func() { <-m.hashes }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other hashes to end: %w", context.Cause(ctx))
	case <-m.stopped:
		return nil, fmt.Errorf("wait for other hashes to end: %w", errdefs.ErrStopped)
	}
	defer observeSince(m.metrics.hash, time.Now())
	resp := &consensusv1.HashKVResponse{}
	err := m.reader.read(ctx, true, func(t *gate.Tenure) error {
		return t.Reading(ctx, func(ctx context.Context) (err error) {
			resp.Revision = t.Store.Revision()
			resp.Hash, resp.CompactedRevision, resp.HashRevision, err = t.Store.HashKV(ctx, req.GetRevision())
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// WaitCompacted answers once everything below the compacted revision is deleted here.
func (m *Member) WaitCompacted(ctx context.Context, req *consensusv1.WaitCompactedRequest) (*consensusv1.WaitCompactedResponse, error) {
	m.reader.awaitShown(ctx, req.GetSeen())
	err := m.reader.read(ctx, true, func(t *gate.Tenure) error { return t.During(ctx, t.Store.WaitCompacted) })
	if err != nil {
		return nil, fmt.Errorf("wait for compaction: %w", err)
	}
	return &consensusv1.WaitCompactedResponse{}, nil
}

// Digests tells what this member's state hashes to.
func (m *Member) Digests(context.Context, *consensusv1.DigestsRequest) (*consensusv1.DigestsResponse, error) {
	return m.audit.Digests(), nil
}

// Incarnation tells this member's data directory from another one of the same member.
func (m *Member) Incarnation() uint64 { return m.receiver.Incarnation() }
