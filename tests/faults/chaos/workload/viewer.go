package workload

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// viewer watches what a user has a right to, each time from the present on and on a stream of its own: the client library's watches go on from where they
// were, with what was written while the right was gone.
type viewer struct {
	client
	right   history.Right
	watches []history.UserWatch
}

func (v *viewer) run(ctx context.Context) {
	for ctx.Err() == nil {
		v.watch(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(pauseAfterError):
		}
	}
}

// watch watches until the store ends it, or for as long as a watcher that moves stays.
func (v *viewer) watch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sessionMin+time.Duration(v.random.Int64N(int64(2*sessionSpread))))
	defer cancel()
	made := history.UserWatch{Right: v.right, Endpoint: v.endpoint, Call: time.Since(v.begin)}
	err := v.stream(ctx, &made)
	made.End = time.Since(v.begin)
	if made.Created || made.Denied {
		v.watches = append(v.watches, made)
	}
	// A server that was told how long the client stays may be the first to say so, before the client's own clock has.
	if deadline, _ := ctx.Deadline(); ctx.Err() == nil && time.Now().Before(deadline) {
		v.failed("watch of a user", made.Call, rpctypes.Error(err), false)
	}
}

// stream makes the watch and takes what comes. It returns nil if the store ends it for want of a right.
func (v *viewer) stream(ctx context.Context, made *history.UserWatch) error {
	stream, err := etcdserverpb.NewWatchClient(v.etcd.ActiveConnection()).Watch(ctx)
	if err != nil {
		return err
	}
	create := &etcdserverpb.WatchCreateRequest{Key: []byte(v.right.Prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(v.right.Prefix)), PrevKv: true}
	// The error of an ended stream is what Recv returns.
	_ = stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: create}})
	for response := 0; ; response++ {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		at := time.Since(v.begin)
		for _, ev := range resp.Events {
			made.Events = append(made.Events, history.Seen{Event: event((*clientv3.Event)(ev)), At: at, Response: response})
		}
		switch {
		case resp.Canceled && strings.Contains(resp.CancelReason, rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionDenied)):
			made.Denied = true
			return nil
		case resp.Canceled:
			return rpctypes.Error(errors.New(resp.CancelReason))
		case resp.Created:
			made.Created, made.CreatedAt = true, at
		}
	}
}
