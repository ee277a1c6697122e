package quorate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/mux"
	"github.com/quoratedb/quorate/pkg/problem"
	leaserpc "github.com/quoratedb/quorate/services/lease/rpc"
)

// leaderStream keeps a stream to the lease service beside the leader while another member leads: a hop costs the same
// whether it carries one keep-alive or a hundred. Without it, requests go one by one, as the first ones do: a member that
// nobody asks for leases keeps none.
type leaderStream struct {
	member    leaderOf
	transport streams
	// asked holds a value once there was a request to pass on.
	asked chan struct{}
	// open is the stream on which the leader has answered, nil while there is none.
	open atomic.Pointer[leaderConn]
}

// streams are how other members are reached, as a *peer.Transport knows it.
type streams interface {
	URL(id uint64) (url string, known bool)
	StreamClient(id uint64) *http.Client
}

func newLeaderStream(member leaderOf, transport streams) *leaderStream {
	return &leaderStream{member: member, transport: transport, asked: make(chan struct{}, 1)}
}

type leaderConn struct {
	leader uint64
	conn   *mux.Conn
}

// run follows the leader from the first request on, until ctx ends.
func (s *leaderStream) run(ctx context.Context) error {
	select {
	case <-s.asked:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		leader, changed := s.member.Leader()
		if url, known := s.transport.URL(leader); known && leader != s.member.MemberID() {
			s.serve(ctx, leader, url)
		}
		timer := time.NewTimer(leaderRetry)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// serve keeps one stream until it breaks, another member leads or ctx ends. Nothing is logged: the links between members
// tell of whatever is wrong there.
func (s *leaderStream) serve(ctx context.Context, leader uint64, url string) {
	ctx, end := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer end()
		awaitOther(ctx, s.member, leader)
	}()
	defer func() { <-watched }()
	defer end()
	answering := make(chan struct{}, 1)
	stream, err := leaserpc.OpenBatch(ctx, s.transport.StreamClient(leader), url, func(*leasev1.Standing) {
		select {
		case answering <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return
	}
	conn := mux.NewConn(stream)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = conn.Run(ctx) // the callers are told
	}()
	select {
	case <-answering:
		s.open.Store(&leaderConn{leader, conn})
	case <-ended:
	}
	<-ended
	s.open.Store(nil)
}

// to returns the lease service beside the leader by the stream, nil if there is none to it.
func (s *leaderStream) to(leader uint64) leaserpc.Service {
	if c := s.open.Load(); c != nil && c.leader == leader {
		return streamed{c.conn}
	}
	select {
	case s.asked <- struct{}{}:
	default:
	}
	return nil
}

// streamed is the lease service at the other end of a stream.
type streamed struct{ conn *mux.Conn }

// call makes a call. A stream that breaks is what a leader is that goes.
func (s streamed) call(ctx context.Context, kind mux.Kind, method string, request, response proto.Message) error {
	err := s.conn.Call(ctx, kind, method, request, response)
	switch {
	case errors.Is(err, mux.ErrUnsent):
		return fmt.Errorf("%w: %w", problem.ErrNoLeader, err)
	case errors.Is(err, mux.ErrLost):
		return fmt.Errorf("%w: %w", problem.ErrLeaderChanged, err)
	}
	return err
}

func (s streamed) Grant(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	response := new(leasev1.GrantResponse)
	return response, s.call(ctx, mux.Change, "Grant", r, response)
}

func (s streamed) Revoke(ctx context.Context, r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	response := new(leasev1.RevokeResponse)
	return response, s.call(ctx, mux.Change, "Revoke", r, response)
}

func (s streamed) KeepAlive(ctx context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	response := new(leasev1.KeepAliveResponse)
	return response, s.call(ctx, mux.Look, "KeepAlive", r, response)
}

func (s streamed) TimeToLive(ctx context.Context, r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	response := new(leasev1.TimeToLiveResponse)
	return response, s.call(ctx, mux.Look, "TimeToLive", r, response)
}

func (s streamed) List(ctx context.Context, r *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	response := new(leasev1.ListResponse)
	return response, s.call(ctx, mux.Look, "List", r, response)
}
