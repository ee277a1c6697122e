package balancer

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1/leasev1connect"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// peer is a node of a service whose calls and standing a test makes up.
type peer struct {
	leasev1connect.UnimplementedLeaseServiceHandler
	grant  func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error)
	server *httptest.Server
	mu     struct {
		sync.Mutex
		standing leasev1.Standing
		changed  chan struct{}
	}
}

func (p *peer) stand(epoch uint64, active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.standing = leasev1.Standing{Epoch: epoch, Active: active}
	close(p.mu.changed)
	p.mu.changed = make(chan struct{})
}

func (p *peer) Batch(ctx context.Context, stream *connect.BidiStream[leasev1.BatchRequest, leasev1.BatchResponse]) error {
	return batching.Server[leasev1.BatchRequest, leasev1.BatchResponse]{
		Methods: batching.Methods{"Grant": batching.Unary(nil, p.grant)},
		Calls:   (*leasev1.BatchRequest).GetCalls,
		Begin: func() (func([]*batchv1.Answer) *leasev1.BatchResponse, func() <-chan struct{}) {
			wrap := func(answers []*batchv1.Answer) *leasev1.BatchResponse {
				p.mu.Lock()
				defer p.mu.Unlock()
				return &leasev1.BatchResponse{Answers: answers, Standing: &leasev1.Standing{Epoch: p.mu.standing.Epoch, Active: p.mu.standing.Active}}
			}
			return wrap, func() <-chan struct{} {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.mu.changed
			}
		},
	}.Batch(ctx, stream)
}

// start serves a peer, on an address of its own unless it has been there before.
func (p *peer) start(t *testing.T, address string) {
	t.Helper()
	if p.mu.changed == nil {
		p.mu.changed = make(chan struct{})
	}
	handler := http.NewServeMux()
	path, inner := leasev1connect.NewLeaseServiceHandler(p, interceptor.HandlerOptions(nil)...)
	handler.Handle(path, interceptor.Interruptible(inner))
	p.server = httptest.NewUnstartedServer(handler)
	if address != "" {
		require.NoError(t, p.server.Listener.Close())
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		p.server.Listener = listener
	}
	p.server.Config.Protocols = new(http.Protocols)
	p.server.Config.Protocols.SetUnencryptedHTTP2(true)
	p.server.Start()
	t.Cleanup(p.kill)
}

// kill ends the peer as a crash would: connections break.
func (p *peer) kill() { p.server.CloseClientConnections(); p.server.Close() }

// picker asks the active node with the newest epoch.
type picker struct{}

func (picker) Pick(members []*Backend[*leasev1.Standing]) *Backend[*leasev1.Standing] {
	var found *Backend[*leasev1.Standing]
	for _, m := range members {
		if m.Standing.GetActive() && (found == nil || m.Standing.GetEpoch() > found.Standing.GetEpoch()) {
			found = m
		}
	}
	return found
}

func (r picker) Keep(members []*Backend[*leasev1.Standing], m *Backend[*leasev1.Standing]) bool {
	found := r.Pick(members)
	return found != nil && found.Node == m.Node
}

func open(t *testing.T, peers ...*peer) *Balancer[*leasev1.Standing] {
	t.Helper()
	var urls []string
	for _, p := range peers {
		urls = append(urls, p.server.URL)
	}
	set, err := resolver.New(resolver.Config{Endpoints: urls})
	require.NoError(t, err)
	f := New(Config[*leasev1.Standing]{
		Service: "test", Nodes: set,
		Open: func(ctx context.Context, n *resolver.Node, told func(*leasev1.Standing)) (batching.Stream, error) {
			stream := &batching.ClientStream[leasev1.BatchRequest, leasev1.BatchResponse]{
				Open: leasev1connect.NewLeaseServiceClient(n.Client, n.URL, interceptor.ClientOptions()...).Batch,
				Wrap: func(calls []*batchv1.Call) *leasev1.BatchRequest { return &leasev1.BatchRequest{Calls: calls} },
				Unwrap: func(response *leasev1.BatchResponse) []*batchv1.Answer {
					told(response.GetStanding())
					return response.GetAnswers()
				},
			}
			return stream, stream.Start(ctx)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return f
}

func grant(ctx context.Context, f *Balancer[*leasev1.Standing], options CallOptions[*leasev1.Standing]) (int64, error) {
	answer := &leasev1.GrantResponse{}
	err := f.Call(ctx, options, "Grant", &leasev1.GrantRequest{Id: 1}, answer)
	return answer.GetId(), err
}

func answers(id int64) func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
		return &leasev1.GrantResponse{Id: id}, nil
	}
}

// stuck is a call that is never answered, and tells that it was made.
func stuck(made chan<- struct{}) func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return func(ctx context.Context, _ *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
		made <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
}

var (
	once  = CallOptions[*leasev1.Standing]{Picker: picker{}, RetryPolicy: RetryPolicy{Retryable: []error{errdefs.ErrNoLeader}}}
	again = CallOptions[*leasev1.Standing]{Picker: picker{}, RetryPolicy: RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrNoLeader}}}
)

// Goal: calls follow the standing of nodes, and wait where no node will do. Method: a call before anybody is active, then
// after each take-over, which the node that was replaced does not learn of.
func TestCallsFollowTheStanding(t *testing.T) {
	a, b := &peer{grant: answers(1)}, &peer{grant: answers(2)}
	a.start(t, "")
	b.start(t, "")
	f := open(t, a, b)
	type result struct {
		id  int64
		err error
	}
	waiting := make(chan result, 1)
	go func() {
		id, err := grant(t.Context(), f, once)
		waiting <- result{id, err}
	}()
	a.stand(1, true)
	require.Equal(t, result{1, nil}, <-waiting)
	b.stand(2, true)
	for id := int64(1); id != 2; { // as soon as the news is here
		var err error
		id, err = grant(t.Context(), f, once)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	a.stand(1, false)
	b.stand(2, false)
	for view := f.View(); picker.Pick(picker{}, view.Backends) != nil; view = f.View() {
		<-view.Changed
	}
	cancel(errdefs.ErrTimeout)
	_, err := grant(ctx, f, once)
	require.ErrorIs(t, err, errdefs.ErrTimeout)
}

// Goal: a call that may be made again is, at the node that took over, while the one that was asked still says nothing; a
// call that may not waits for its answer. Method: a node that is stuck, and another that becomes the newer one.
func TestStuckNodeIsLeft(t *testing.T) {
	made := make(chan struct{}, 2)
	a, b := &peer{grant: stuck(made)}, &peer{grant: answers(2)}
	a.start(t, "")
	b.start(t, "")
	a.stand(1, true)
	f := open(t, a, b)
	ctx, cancel := context.WithCancel(t.Context())
	ids, errs := make(chan int64, 1), make(chan error, 1)
	go func() { id, _ := grant(t.Context(), f, again); ids <- id }()
	go func() { _, err := grant(ctx, f, once); errs <- err }()
	<-made
	<-made
	b.stand(2, true)
	require.Equal(t, int64(2), <-ids)
	cancel()
	require.ErrorIs(t, <-errs, context.Canceled)
}

// Goal: what a dying node had been asked is made again only where that is safe. Method: kill a node under a call of each
// kind, and start another at its address.
func TestDyingNode(t *testing.T) {
	made := make(chan struct{}, 2)
	a := &peer{grant: stuck(made)}
	a.start(t, "")
	a.stand(1, true)
	f := open(t, a)
	ids, errs := make(chan int64, 1), make(chan error, 1)
	go func() { id, _ := grant(t.Context(), f, again); ids <- id }()
	go func() { _, err := grant(t.Context(), f, once); errs <- err }()
	<-made
	<-made
	address := a.server.Listener.Addr().String()
	a.kill()
	require.ErrorIs(t, <-errs, errdefs.ErrLeaderChanged)
	b := &peer{grant: answers(2)}
	b.start(t, address)
	b.stand(1, true)
	require.Equal(t, int64(2), <-ids)
}

// Goal: a refusal that says that nothing was done is not the caller's business, any other is. Method: a node that refuses
// for each of both reasons, and then answers.
func TestRefusals(t *testing.T) {
	refusals := make(chan error, 3)
	a := &peer{grant: func(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
		if err := <-refusals; err != nil {
			return nil, err
		}
		return answers(1)(ctx, r)
	}}
	a.start(t, "")
	a.stand(1, true)
	f := open(t, a)
	refusals <- errdefs.ErrNoLeader
	refusals <- errdefs.ErrLeaseExists
	_, err := grant(t.Context(), f, once)
	require.ErrorIs(t, err, errdefs.ErrLeaseExists)
	refusals <- nil
	id, err := grant(t.Context(), f, once)
	require.NoError(t, err)
	require.Equal(t, int64(1), id)
}

// silent is a stream that says nothing until it is closed.
type silent struct {
	closed chan struct{}
	once   sync.Once
}

func (s *silent) Send([]*batchv1.Call) error { return nil }

func (s *silent) Receive() ([]*batchv1.Answer, error) {
	<-s.closed
	return nil, io.EOF
}

func (s *silent) Close() { s.once.Do(func() { close(s.closed) }) }

// Goal: a node that is missing and found again has one stream ("streams to a member add up"), which its absence leaves
// alone; one that is gone is given up when its stream breaks. Method: count streams while the node comes and goes.
func TestOneStreamANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened []*silent
		f := New(Config[int]{Open: func(_ context.Context, _ *resolver.Node, told func(int)) (batching.Stream, error) {
			told(1)
			opened = append(opened, &silent{closed: make(chan struct{})})
			return opened[len(opened)-1], nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		list := func(endpoints ...string) {
			set, err := resolver.New(resolver.Config{Endpoints: endpoints})
			require.NoError(t, err)
			once, cancel := context.WithCancel(ctx)
			require.NoError(t, set.Run(once, func(now []*resolver.Node) {
				f.follow(ctx, now, &running)
				cancel()
			}))
			synctest.Wait()
		}
		const node = "http://10.0.0.1:1"
		list(node)
		list()
		require.Len(t, f.View().Backends, 1, "it is still there")
		list(node)
		require.Len(t, opened, 1)
		require.Len(t, f.View().Backends, 1)
		opened[0].Close()
		<-time.After(reconnectPauseMax)
		synctest.Wait()
		require.Len(t, opened, 2, "it is listed")
		list()
		opened[1].Close()
		running.Wait()
		require.Empty(t, f.View().Backends)
		list(node)
		require.Len(t, opened, 3, "it came back")
		cancel()
		running.Wait()
	})
}

// Goal: whoever waits for a node that is missing can read it in the log, now and then, and since when. Method: a node that cannot be
// reached for a minute, in a bubble of time.
func TestMissingNodeIsToldOfAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		nodes, err := resolver.New(resolver.Config{Endpoints: []string{"http://10.0.0.1:1"}})
		require.NoError(t, err)
		f := New(Config[int]{
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Nodes: nodes,
			Open: func(context.Context, *resolver.Node, func(int)) (batching.Stream, error) {
				return nil, io.ErrUnexpectedEOF
			},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = f.Run(ctx)
		require.InDelta(t, 6, strings.Count(log.String(), "no connection to a node"), 1)
		require.Contains(t, log.String(), "since=")
	})
}
