package health

import (
	"context"
	"sync/atomic"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// later is a store that is opened after it can be asked. Until then it refuses everything.
type later struct{ store atomic.Pointer[Store] }

func (l *later) open(store Store) { l.store.Store(&store) }

func (l *later) opened() bool { return l.store.Load() != nil }

func (l *later) Status(ctx context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	if store := l.store.Load(); store != nil {
		return (*store).Status(ctx, req)
	}
	return nil, errdefs.ErrNoLeader
}

func (l *later) Alarms(ctx context.Context, req *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	if store := l.store.Load(); store != nil {
		return (*store).Alarms(ctx, req)
	}
	return nil, errdefs.ErrNoLeader
}

func (l *later) Range(ctx context.Context, req *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	if store := l.store.Load(); store != nil {
		return (*store).Range(ctx, req)
	}
	return nil, errdefs.ErrNoLeader
}
