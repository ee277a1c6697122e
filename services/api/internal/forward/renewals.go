package forward

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

const (
	// gatheredMax is of how many leases is remembered when they were kept alive last, and whoMax for how many callers each.
	gatheredMax = 16384
	whoMax      = 64
	// freshParts is the part of a lease's time for which an answer serves other streams too: half of the pause that clients make.
	freshParts = 6
	// renewPause is how long to wait until a lost keep-alive is sent again.
	renewPause = 50 * time.Millisecond
)

// Who is what makes callers equal: the same user, whose name is given where it is known, or else the same token; and whether they want a leader. No token
// that anybody may think of is taken for a name.
func Who(caller *consensusv1.Caller, name string, wantsLeader bool) string {
	mark := "may wait, "
	if wantsLeader {
		mark = "wants a leader, "
	}
	switch {
	case caller.GetInvalid():
		return mark + "invalid token"
	case name != "":
		return mark + "user " + name
	}
	return mark + "token " + caller.GetToken()
}

// renewals gather keep-alives: what streams of equal callers ask for one lease at the same time, or shortly after each other, is one request to the
// cluster. An answer that serves another stream later says how much of the time is left by then, so that nobody takes a lease to live longer than it
// does. A stream that asks again for itself is never answered so.
type renewals struct {
	client  etcdserverpb.LeaseClient
	timeout time.Duration

	mu struct {
		sync.Mutex
		leases *lru.Cache[int64, map[string]*renewal]
	}
}

// renewal is one keep-alive. Its fields but the first two are set before done is closed.
type renewal struct {
	stream any
	done   chan struct{}
	answer *etcdserverpb.LeaseKeepAliveResponse
	err    error
	at     time.Time
}

func newRenewals(client etcdserverpb.LeaseClient, timeout time.Duration) *renewals {
	r := &renewals{client: client, timeout: timeout}
	r.mu.leases, _ = lru.New[int64, map[string]*renewal](gatheredMax) // it fails for no size above zero
	return r
}

// renew keeps a lease alive for a stream, whose caller is called who. The context is the stream's.
func (r *renewals) renew(ctx context.Context, stream any, who string, id int64) (*etcdserverpb.LeaseKeepAliveResponse, error) {
	mine := &renewal{stream: stream, done: make(chan struct{})}
	others := r.join(mine, who, id)
	if others == nil {
		mine.answer, mine.err = r.send(ctx, id)
		mine.at = time.Now()
		close(mine.done)
		return mine.answer, mine.err
	}
	select {
	case <-others.done:
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return others.left(time.Now())
}

// join returns the renewal that serves mine too; or nil, and mine is the one from now on.
func (r *renewals) join(mine *renewal, who string, id int64) *renewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	callers, ok := r.mu.leases.Get(id)
	if !ok || len(callers) >= whoMax {
		callers = make(map[string]*renewal)
		r.mu.leases.Add(id, callers)
	}
	if known := callers[who]; known != nil && known.serves(mine, time.Now()) {
		return known
	}
	callers[who] = mine
	return nil
}

// serves tells whether the answer may be another stream's too: it is under way, or fresh.
func (n *renewal) serves(mine *renewal, now time.Time) bool {
	select {
	case <-n.done:
	default:
		return true
	}
	fresh := time.Duration(n.answer.GetTTL()) * time.Second / freshParts
	return n.err == nil && n.stream != mine.stream && now.Sub(n.at) < fresh
}

// left is the answer with what is left of its time.
func (n *renewal) left(now time.Time) (*etcdserverpb.LeaseKeepAliveResponse, error) {
	if n.err != nil || n.answer.GetTTL() <= 0 {
		return n.answer, n.err
	}
	answer := proto.CloneOf(n.answer)
	answer.TTL = max(1, answer.GetTTL()-int64((now.Sub(n.at)+time.Second/2)/time.Second))
	return answer, nil
}

// forget has the next keep-alive of a lease ask the cluster.
func (r *renewals) forget(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.leases.Remove(id)
}

// send asks the cluster. It goes on when the stream ends, because others may wait for the answer, and asks again where a member was lost.
func (r *renewals) send(stream context.Context, id int64) (*etcdserverpb.LeaseKeepAliveResponse, error) {
	ctx, cancel := context.WithTimeout(Outgoing(context.WithoutCancel(stream)), r.timeout)
	defer cancel()
	for {
		answer, err := r.once(ctx, id)
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return nil, rpctypes.ErrGRPCTimeout
		case !upstream.Lost(err):
			return nil, err
		}
		select {
		case <-time.After(renewPause):
		case <-ctx.Done():
			return nil, rpctypes.ErrGRPCTimeout
		}
	}
}

func (r *renewals) once(ctx context.Context, id int64) (*etcdserverpb.LeaseKeepAliveResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.client.LeaseKeepAlive(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: id}); err != nil {
		_, err = stream.Recv() // which says why
		return nil, err
	}
	return stream.Recv()
}
