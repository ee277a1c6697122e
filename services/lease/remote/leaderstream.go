package remote

import (
	"context"
	"sync/atomic"
	"time"

	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/services/lease/rpc"
)

// leaderStream keeps a stream to the lease service beside the leader while another member leads: a hop costs the same
// whether it carries one keep-alive or a hundred. Without it, requests go one by one, as the first ones do: a member that
// nobody asks for leases keeps none.
type leaderStream struct {
	member balancer.Leadership
	peers  Peers
	// asked holds a value once there was a request to pass on.
	asked chan struct{}
	// open is the stream on which the leader has answered, nil while there is none.
	open atomic.Pointer[leaderConn]
}

func newLeaderStream(member balancer.Leadership, peers Peers) *leaderStream {
	return &leaderStream{member: member, peers: peers, asked: make(chan struct{}, 1)}
}

// reopenPause is how soon a stream is opened again while nobody else leads.
const reopenPause = 100 * time.Millisecond

type leaderConn struct {
	leader uint64
	conn   *batching.Conn
}

// run follows the leader from the first request on, until ctx ends.
func (s *leaderStream) run(ctx context.Context) error {
	select {
	case <-s.asked:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		leader, changed := s.member.Leader()
		if url, known := s.peers.URL(leader); known && leader != s.member.MemberID() {
			s.serve(ctx, leader, url)
		}
		timer := time.NewTimer(reopenPause)
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
		balancer.AwaitOther(ctx, s.member, leader)
	}()
	defer func() { <-watched }()
	defer end()
	answering := make(chan struct{}, 1)
	stream, err := rpc.OpenBatch(ctx, s.peers.StreamClient(leader), url, func(*leasev1.Standing) {
		select {
		case answering <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return
	}
	conn := batching.NewConn(stream)
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
func (s *leaderStream) to(leader uint64) rpc.Service {
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
type streamed struct{ conn *batching.Conn }

func (s streamed) Grant(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	response := new(leasev1.GrantResponse)
	return response, s.conn.Call(ctx, batching.Change, "Grant", r, response)
}

func (s streamed) Revoke(ctx context.Context, r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	response := new(leasev1.RevokeResponse)
	return response, s.conn.Call(ctx, batching.Change, "Revoke", r, response)
}

func (s streamed) KeepAlive(ctx context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	response := new(leasev1.KeepAliveResponse)
	return response, s.conn.Call(ctx, batching.Look, "KeepAlive", r, response)
}

func (s streamed) TimeToLive(ctx context.Context, r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	response := new(leasev1.TimeToLiveResponse)
	return response, s.conn.Call(ctx, batching.Look, "TimeToLive", r, response)
}

func (s streamed) List(ctx context.Context, r *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	response := new(leasev1.ListResponse)
	return response, s.conn.Call(ctx, batching.Look, "List", r, response)
}
