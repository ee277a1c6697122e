package calls

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/gen/quorate/v1/quoratev1connect"
	"github.com/quoratedb/quorate/services/api/internal/auditlog"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/leader"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// Calls is shared by the servers of all protocols. Its interceptors may run concurrently once Register has been called.
type Calls struct {
	leader   *leader.Monitor
	identify *auth.Authenticator
	gate     *auth.Gate
	audit    *auditlog.Auditor  // nil where no line is written
	rates    *ratelimit.Limiter // nil where nothing is limited
	answers  *budget.Answers
	carried  carried
	counters vectors
	versions *clientVersions // nil where nobody asks
	slow     *Slow           // nil where nothing is logged
	noter    Noter           // nil where nothing is noted
	methods  map[string]*Method

	// open are the streams that are, and the calls that wait like one.
	open *budget.Shared
	// Unary calls that have begun and not ended.
	unary atomic.Int64
	// ending is set once the server has begun to stop; from then on idle is nudged when unary falls to zero.
	ending atomic.Bool
	idle   chan struct{}
	// streams ends with the server; every stream's context ends with it.
	streams    context.Context
	endStreams context.CancelFunc
	// transfers are the handlers of streams that go one way.
	transfers sync.WaitGroup
}

// New registers the metrics, where registerer is not nil. Calls that want a leader are refused as monitor says. identify tells for whom
// they are made, and gate whether they may be. audit and rates may be nil.
func New(
	registerer prometheus.Registerer, monitor *leader.Monitor, identify *auth.Authenticator, gate *auth.Gate, audit *auditlog.Auditor,
	rates *ratelimit.Limiter,
) *Calls {
	c := &Calls{
		leader:   monitor,
		identify: identify,
		gate:     gate,
		audit:    audit,
		rates:    rates,
		answers:  budget.NewAnswers(0),
		open:     budget.NewShared(budget.Places()),
		counters: newVectors(),
		methods:  make(map[string]*Method),
		idle:     make(chan struct{}, 1),
	}
	c.streams, c.endStreams = context.WithCancel(context.Background())
	if registerer != nil {
		c.counters.register(registerer)
		c.versions = newClientVersions(registerer)
		registerAnswers(registerer, c.answers)
	}
	return c
}

// Time has calls timed, as etcd does with --metrics=extensive. Call it before Register.
func (c *Calls) Time(registerer prometheus.Registerer) {
	if registerer != nil {
		c.counters.took = newTook()
		registerer.MustRegister(c.counters.took)
	}
}

// reading are the methods whose answers hold what the store has, and so are counted for memory.
var reading = []string{
	etcdserverpb.KV_Range_FullMethodName, etcdserverpb.KV_Txn_FullMethodName, etcdserverpb.KV_DeleteRange_FullMethodName,
	etcdserverpb.Lease_LeaseTimeToLive_FullMethodName, etcdserverpb.Lease_LeaseLeases_FullMethodName,
	quoratev1connect.InspectServiceChildrenProcedure, quoratev1connect.InspectServiceHistoryProcedure, quoratev1connect.InspectServiceDeletedProcedure,
	quoratev1connect.InspectServiceChangesProcedure,
}

// Register makes known which methods there are. It must not run concurrently with calls.
func (c *Calls) Register(services map[string]grpc.ServiceInfo) {
	for service, info := range services {
		for _, method := range info.Methods {
			m := c.counters.method(service, method)
			full := "/" + service + "/" + method.Name
			m.watches = service == etcdserverpb.Watch_ServiceDesc.ServiceName || service+"/"+method.Name == "v3electionpb.Election/Observe"
			m.renews = full == etcdserverpb.Lease_LeaseKeepAlive_FullMethodName
			m.writes = !method.IsClientStream && !method.IsServerStream && full != etcdserverpb.KV_Range_FullMethodName
			m.waits = service == "v3lockpb.Lock" && method.Name == "Lock" || service == "v3electionpb.Election" && method.Name == "Campaign"
			m.reads = slices.Contains(reading, full)
			m.full, m.need, m.limited = full, auth.NeedOf(full), ratelimit.KindOf(full)
			c.methods[full] = m
		}
	}
}

// Method returns what is known of a method by its full name, "/package.Service/Method". An unknown one has counters
// that nobody sees, and is refused.
func (c *Calls) Method(full string) *Method {
	if m, ok := c.methods[full]; ok {
		return m
	}
	return unknown
}

// Ending ends when End is called, for what is like a stream but none of gRPC's.
func (c *Calls) Ending() context.Context { return c.streams }

// FollowState has end called when the state turns out corrupt, for what is like a watch but none of gRPC's. The returned
// function must be called when it has ended.
func (c *Calls) FollowState(end context.CancelCauseFunc) (unfollow func()) {
	return c.leader.Follow(context.Background(), true, end)
}

// End makes the contexts of all streams, also of those to come, end.
func (c *Calls) End() {
	c.ending.Store(true)
	c.endStreams()
}

// WaitUnary waits until no unary call is under way or ctx ends, which it reports. Call it after End and once.
func (c *Calls) WaitUnary(ctx context.Context) error {
	for c.unary.Load() > 0 {
		select {
		case <-c.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// BeginUnary counts a unary call. End it with EndUnary, which is given what this returns.
func (c *Calls) BeginUnary(m *Method) (begun time.Time) {
	c.unary.Add(1)
	begun = m.Started()
	if (c.slow != nil || c.noter != nil) && begun.IsZero() {
		begun = time.Now()
	}
	m.Received()
	return begun
}

// Ended has a call logged, and noted, if it was slow.
func (c *Calls) Ended(ctx context.Context, m *Method, begun time.Time, request, response any, err error) {
	if m.waits || c.slow == nil && c.noter == nil {
		return // who waits for other clients is meant to take long
	}
	took := time.Since(begun)
	if c.slow != nil && took > c.slow.After {
		c.slow.report(ctx, m, begun, took, request, response, err)
	}
	if c.noter != nil && c.noter.WantsSlow(strings.TrimPrefix(m.full, "/"), took, begun.Add(took)) {
		c.noter.NoteSlow(ctx, noteOf(ctx, m, begun, took, request, err))
	}
}

// EndUnary counts how a unary call ended.
func (c *Calls) EndUnary(m *Method, begun time.Time, err error) {
	if err == nil {
		m.Sent()
	}
	m.Handled(begun, status.Code(err))
	// ending is read after unary falls, WaitUnary reads unary after ending is set: one of them sees the other.
	if c.unary.Add(-1) == 0 && c.ending.Load() {
		select {
		case c.idle <- struct{}{}:
		default:
		}
	}
}

// Unary is the interceptor of unary gRPC calls.
func (c *Calls) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	c.versions.unary(ctx)
	m := c.Method(info.FullMethod)
	return c.unaryCall(ctx, m, request, func(ctx context.Context) (any, error) { return c.answer(ctx, m, request, handle) })
}

// unaryCall has a call counted, followed, admitted and told of, and answered in between.
func (c *Calls) unaryCall(ctx context.Context, m *Method, request any, answer func(context.Context) (any, error)) (any, error) {
	begun := c.BeginUnary(m)
	ctx, span := c.Follow(ctx, m)
	var (
		response any
		entry    *auditlog.Entry
	)
	ctx, done, err := c.Wait(ctx, m)
	defer done()
	if err == nil {
		ctx, entry, err = c.Admit(ctx, m, request)
	}
	if err == nil {
		response, err = answer(ctx)
	}
	if entry != nil {
		err = finish(entry, response, err)
	}
	c.EndUnary(m, begun, err)
	c.Ended(ctx, m, begun, request, response, err)
	EndSpan(span, err)
	return response, err
}

// Wait has a unary call that waits for other clients be like a stream: it takes a place among those that are open, and its context ends like that of a
// watch, with the server, and when the state turns out corrupt. One that gets no place is refused before anything is done for it. Other calls go on as
// they are. Call done when the call has ended, whatever the error is.
func (c *Calls) Wait(ctx context.Context, m *Method) (waiting context.Context, done func(), err error) {
	if !m.waits {
		return ctx, func() {}, nil
	}
	connection := budget.StreamsOf(ctx)
	if !c.open.Take(connection) {
		return ctx, func() {}, rpctypes.ErrGRPCRequestTooManyRequests
	}
	ctx, end := context.WithCancelCause(ctx)
	stay := context.AfterFunc(c.streams, func() { end(rpctypes.ErrGRPCStopped) })
	unfollow := c.leader.Follow(ctx, true, end)
	return ctx, func() {
		unfollow()
		stay()
		end(nil)
		c.open.Leave(connection)
	}, nil
}

// finish writes the line of a call.
func finish(entry *auditlog.Entry, response any, err error) error {
	held, _ := response.(*wire.Held)
	if held != nil {
		response = held.Message
	}
	was := err
	if err = entry.Finish(response, err); held != nil && was == nil && err != nil {
		held.Release() // nobody writes it
	}
	return err
}

// Admit refuses a unary call that wants a leader while there is none, or whose caller may not make it, or not as often. The returned context knows for
// whom the call is made. The entry is the call's line in the audit log, to be finished whatever the error is; nil for none.
func (c *Calls) Admit(ctx context.Context, m *Method, request any) (context.Context, *auditlog.Entry, error) {
	ctx = auth.With(ctx, c.identify.Identify(ctx))
	entry, err := c.audit.Begin(ctx, m.full, request)
	if err != nil {
		return ctx, nil, err
	}
	if err := c.leader.Require(ctx); err != nil {
		return ctx, entry, err
	}
	if err := c.admitRate(ctx, m, request); err != nil {
		return ctx, entry, err
	}
	return ctx, entry, c.gate.Admit(ctx, m.need, request)
}

// admitRate refuses a request whose caller makes too many.
func (c *Calls) admitRate(ctx context.Context, m *Method, request any) error {
	if c.rates == nil || m.limited == nil {
		return nil
	}
	return c.rates.Admit(ctx, m.limited(request))
}

// admitStream is Admit for a stream, whose request nobody has read yet.
func (c *Calls) admitStream(ctx context.Context, m *Method) error {
	require := c.leader.Require
	if m.watches {
		require = c.leader.RequireForWatch
	}
	if err := require(ctx); err != nil {
		return err
	}
	return c.gate.Admit(ctx, m.need, nil)
}

// Stream is the interceptor of streaming gRPC calls.
func (c *Calls) Stream(service any, inner grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	m := c.Method(info.FullMethod)
	c.versions.stream(inner.Context())
	run := c.RunStream
	if info.IsServerStream && !info.IsClientStream {
		run = c.runTransfer
	}
	return run(m, inner, func(stream grpc.ServerStream) error { return handle(service, stream) })
}

// RunStream runs the handler of a stream of any protocol on inner: counted, and with a context that ends with the server
// too. A stream that the server ends fails with etcd's "server stopped", which is Unavailable: clients go elsewhere. One
// that wants a leader fails with "no leader" when there is none, or not any more.
func (c *Calls) RunStream(m *Method, inner grpc.ServerStream, handle func(grpc.ServerStream) error) error {
	connection := budget.StreamsOf(inner.Context())
	if !c.open.Take(connection) {
		m.Handled(m.Started(), codes.ResourceExhausted)
		return rpctypes.ErrGRPCRequestTooManyRequests
	}
	defer c.open.Leave(connection)
	ctx, end := context.WithCancelCause(auth.With(inner.Context(), c.identify.Identify(inner.Context())))
	defer end(nil)
	defer context.AfterFunc(c.streams, func() { end(rpctypes.ErrGRPCStopped) })()
	defer c.leader.Follow(ctx, m.watches, end)()
	begun := m.Started()
	var span trace.Span
	if !m.watches && !m.renews {
		ctx, span = serve(ctx, m)
	}
	lines := c.audit.BeginStream(ctx, m.full)
	err := c.admitStream(ctx, m)
	if err == nil {
		err = handle(&counted{ServerStream: inner, ctx: ctx, calls: c, method: m, lines: lines})
	}
	if ctx.Err() != nil && inner.Context().Err() == nil {
		err = context.Cause(ctx)
	}
	err = lines.End(err)
	m.Handled(begun, status.Code(err))
	EndSpan(span, err)
	return err
}

// counted counts the messages of a stream.
type counted struct {
	grpc.ServerStream
	ctx    context.Context
	calls  *Calls
	method *Method
	lines  *auditlog.Stream // nil where none are written
}

func (s *counted) Context() context.Context { return s.ctx }

func (s *counted) SendMsg(message any) error {
	if err := s.lines.Sending(message); err != nil {
		return err
	}
	err := s.ServerStream.SendMsg(message)
	if err == nil {
		s.method.Sent()
	}
	return err
}

func (s *counted) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err == nil {
		err = s.took(message)
	}
	return err
}

func (s *counted) took(message any) error {
	s.method.Received()
	if err := s.lines.Received(message); err != nil {
		return err
	}
	return s.calls.admitRate(s.ctx, s.method, message)
}

// Took is for the one request of a stream of RunStream's that was received before the stream began. The error is ready for the client.
func Took(stream grpc.ServerStream, request any) error {
	if s, ok := stream.(*counted); ok {
		return s.took(request)
	}
	return nil
}
