package workload

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// renewals is one stream of keep-alives. The client library's own does not say when it asked for what it was answered.
type renewals struct {
	etcdserverpb.Lease_LeaseKeepAliveClient
	ctx    context.Context
	cancel context.CancelFunc
}

// keepAliveOnStream renews a lease on the holder's stream, and makes one if there is none. An error ends the stream, but for
// rpctypes.ErrLeaseNotFound, which the stream tells by a time of zero.
func (h *holder) keepAliveOnStream(lease int64, call time.Duration) (int64, error) {
	ttl, err := h.tryStream(lease)
	if err != nil {
		h.failed("keep-alive on a stream", call, rpctypes.Error(err), h.stream.ctx.Err() != nil)
		h.endStream()
		return 0, err
	}
	if ttl == 0 {
		return 0, rpctypes.ErrLeaseNotFound
	}
	return ttl, nil
}

func (h *holder) tryStream(lease int64) (int64, error) {
	if h.stream == nil {
		h.stream = &renewals{}
		h.stream.ctx, h.stream.cancel = context.WithCancel(context.Background())
	}
	defer time.AfterFunc(h.patience, h.stream.cancel).Stop()
	if h.stream.Lease_LeaseKeepAliveClient == nil {
		var err error
		h.stream.Lease_LeaseKeepAliveClient, err = etcdserverpb.NewLeaseClient(h.etcd.ActiveConnection()).LeaseKeepAlive(h.stream.ctx)
		if err != nil {
			return 0, err
		}
	}
	if err := h.stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: lease}); err != nil {
		// The error of an ended stream is what Recv returns.
		_, received := h.stream.Recv()
		return 0, received
	}
	answer, err := h.stream.Recv()
	if err != nil {
		return 0, err
	}
	return answer.TTL, nil
}

func (h *holder) endStream() {
	if h.stream != nil {
		h.stream.cancel()
		h.stream = nil
	}
}
