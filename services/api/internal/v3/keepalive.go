package v3

import (
	"context"
	"errors"
	"io"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
)

// renewalsMax is how many keep-alives of a stream are made together, and how many more of it may wait; a client that sends faster waits.
const renewalsMax = 256

// keepAliveStream is a client's.
type keepAliveStream = grpc.BidiStreamingServer[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]

// LeaseKeepAlive gives a lease its full time again for each request of the stream. The answer for one that does not
// exist has no time.
//
// A stream of one lease has one request under way, and is answered as it comes.
func (s *LeaseServer) LeaseKeepAlive(stream keepAliveStream) error {
	for only := int64(0); ; {
		request, err := stream.Recv()
		if err != nil {
			return s.endOf(stream, err)
		}
		if id := request.GetID(); only == 0 || id == only {
			only = id
			if err := s.answer(stream, []int64{id}); err != nil {
				return err
			}
			continue
		}
		return s.keepManyAlive(stream, request.GetID())
	}
}

// keepManyAlive goes on with a stream of several leases, from the request that tells so. What has come while others were answered is answered
// together: a client may have a thousand leases on one stream, and an answer may take a trip to other members, who are all busy.
func (s *LeaseServer) keepManyAlive(stream keepAliveStream, first int64) error {
	stopped := make(chan struct{})
	defer close(stopped)
	ids := make(chan int64, renewalsMax)
	ids <- first
	var end error // once ids is closed
	// Nobody can wait for it: what it waits in, Recv, returns when this handler has. It holds nothing that outlives the stream.
	go func() {
		defer close(ids)
		for {
			var request *etcdserverpb.LeaseKeepAliveRequest
			if request, end = stream.Recv(); end != nil {
				return
			}
			select {
			case ids <- request.GetID():
			case <-stopped:
				return
			}
		}
	}()
	for {
		together := gather(ids)
		if len(together) == 0 {
			return s.endOf(stream, end)
		}
		if err := s.answer(stream, together); err != nil {
			return err
		}
	}
}

// endOf is what a stream ends with that has no more requests because of err.
func (s *LeaseServer) endOf(stream keepAliveStream, err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return s.failure(stream.Context(), err)
}

// answer renews leases and tells the client. Those before one that the caller may not renew are.
func (s *LeaseServer) answer(stream keepAliveStream, ids []int64) error {
	allowed, refusal := s.mayRenew(stream.Context(), ids)
	answers, err := s.keepAlive(stream.Context(), ids[:allowed])
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if err := stream.Send(answer); err != nil {
			return s.failure(stream.Context(), err)
		}
	}
	return refusal
}

// gather waits for a request, and returns it with those that wait behind it: none once there are no more.
func gather(ids <-chan int64) (together []int64) {
	id, more := <-ids
	for more {
		together = append(together, id)
		if len(together) == renewalsMax {
			break
		}
		select {
		case id, more = <-ids:
		default:
			more = false
		}
	}
	return together
}

// mayRenew returns how many of the leases, from the first one on, the caller may renew: it may write each of their keys. One that does not exist has
// none. The error is why not the next one, ready for the client.
func (s *LeaseServer) mayRenew(ctx context.Context, ids []int64) (allowed int, err error) {
	if s.follower.Off() {
		return len(ids), nil // it is late for a moment at most, and a keep-alive is one trip
	}
	for i, id := range ids {
		_, err := s.gate.Ask(ctx, &consensusv1.AuthorizeRequest{Lease: id, LeaseAccess: consensusv1.Permission_TYPE_WRITE})
		if err != nil {
			return i, etcderr.From(s.logger, err)
		}
	}
	return len(ids), nil
}

// keepAlive renews leases and returns the answers in their order.
func (s *LeaseServer) keepAlive(ctx context.Context, ids []int64) ([]*etcdserverpb.LeaseKeepAliveResponse, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	seen, err := s.headerSeen(ctx)
	if err != nil {
		return nil, err
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	kept, err := s.lease.KeepAlive(bounded, &leasev1.KeepAliveRequest{Ids: ids})
	if err != nil && !errors.Is(err, errdefs.ErrLeaseNotFound) {
		return nil, s.proposalError(bounded, err)
	}
	header, err := s.leaseHeader(ctx, seen, kept)
	if err != nil {
		return nil, err
	}
	answers := make([]*etcdserverpb.LeaseKeepAliveResponse, len(ids))
	for i, id := range ids {
		answers[i] = &etcdserverpb.LeaseKeepAliveResponse{Header: header, ID: id}
		if ttls := kept.GetTtls(); len(ttls) == len(ids) {
			answers[i].TTL = ttls[i]
		}
	}
	return answers, nil
}
