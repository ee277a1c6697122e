package interceptor

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/problem"
)

// reasonHeader carries a refusal's name beside the error: in the headers of a unary answer, at the end of a stream.
const reasonHeader = "Quorate-Reason"

// refusal is how one sentinel looks on the wire.
type refusal struct {
	sentinel error
	// reason is the sentinel's name, which two versions of a service must agree on: it never changes.
	reason string
	// code is for readers who know Connect and not us.
	code connect.Code
}

// known are all sentinels that cross the wire. An error that matches several is sent as the first of them.
var known = []refusal{
	{problem.ErrCompacted, "compacted", connect.CodeOutOfRange},
	{problem.ErrFutureRevision, "future_revision", connect.CodeOutOfRange},
	{problem.ErrKeyNotFound, "key_not_found", connect.CodeNotFound},
	{problem.ErrLeaseNotFound, "lease_not_found", connect.CodeNotFound},
	{problem.ErrLeaseExists, "lease_exists", connect.CodeAlreadyExists},
	{problem.ErrLeaseTTLTooLarge, "lease_ttl_too_large", connect.CodeOutOfRange},
	{problem.ErrStaleEpoch, "stale_epoch", connect.CodeFailedPrecondition},
	{problem.ErrNoSpace, "no_space", connect.CodeResourceExhausted},
	{problem.ErrCorrupt, "corrupt", connect.CodeDataLoss},
	{problem.ErrNoLeader, "no_leader", connect.CodeUnavailable},
	{problem.ErrLeaderChanged, "leader_changed", connect.CodeUnavailable},
	{problem.ErrLeaderFailed, "leader_failed", connect.CodeUnavailable},
	{problem.ErrConnectionLost, "connection_lost", connect.CodeUnavailable},
	{problem.ErrTimeout, "timeout", connect.CodeUnavailable},
	{problem.ErrTooManyRequests, "too_many_requests", connect.CodeResourceExhausted},
	{problem.ErrTooLarge, "too_large", connect.CodeInvalidArgument},
	{problem.ErrMemberNotFound, "member_not_found", connect.CodeNotFound},
	{problem.ErrMemberRemoved, "member_removed", connect.CodeNotFound},
	{problem.ErrMemberExists, "member_exists", connect.CodeAlreadyExists},
	{problem.ErrPeerInUse, "peer_in_use", connect.CodeAlreadyExists},
	{problem.ErrTooManyLearners, "too_many_learners", connect.CodeFailedPrecondition},
	{problem.ErrNotLearner, "not_learner", connect.CodeFailedPrecondition},
	{problem.ErrLearnerNotReady, "learner_not_ready", connect.CodeFailedPrecondition},
	{problem.ErrNotEnoughStarted, "not_enough_started", connect.CodeFailedPrecondition},
	{problem.ErrUnhealthy, "unhealthy", connect.CodeUnavailable},
	{problem.ErrNotLeader, "not_leader", connect.CodeFailedPrecondition},
	{problem.ErrBadTransferee, "bad_transferee", connect.CodeFailedPrecondition},
	{problem.ErrStopped, "stopped", connect.CodeUnavailable},
}

// byReason and byCode find what an answer stands for. An answer without a reason was given by Connect itself: the
// service could not be reached, or did not get to answering in time.
var (
	byReason = map[string]error{}
	byCode   = map[connect.Code]error{
		connect.CodeCanceled:         context.Canceled,
		connect.CodeDeadlineExceeded: context.DeadlineExceeded,
		// Whether the call took effect is open, which is what this sentinel says.
		connect.CodeUnavailable: problem.ErrLeaderChanged,
	}
)

func init() {
	for _, r := range known {
		byReason[r.reason] = r.sentinel
	}
}

// toWire turns what a service returned into what is sent.
func toWire(err error) error {
	if err == nil {
		return nil
	}
	if wire := new(connect.Error); errors.As(err, &wire) {
		return err
	}
	for _, r := range known {
		if errors.Is(err, r.sentinel) {
			wire := connect.NewError(r.code, err)
			wire.Meta().Set(reasonHeader, r.reason)
			return wire
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, err)
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, err)
	}
	return connect.NewError(connect.CodeUnknown, err)
}

// fromWire turns what was received into an error that matches what the service returned.
func fromWire(err error) error {
	wire := new(connect.Error)
	if err == nil || !errors.As(err, &wire) {
		return err
	}
	if sentinel, ok := byReason[wire.Meta().Get(reasonHeader)]; ok {
		return &remote{sentinel: sentinel, wire: wire}
	}
	if sentinel, ok := byCode[wire.Code()]; ok {
		return &remote{sentinel: sentinel, wire: wire}
	}
	return err
}

// Describe says how an error is sent inside of a message: the refusal's name, empty for none, Connect's code, and the text.
func Describe(err error) (reason string, code uint32, message string) {
	wire := new(connect.Error)
	if !errors.As(toWire(err), &wire) {
		return "", uint32(connect.CodeUnknown), err.Error()
	}
	return wire.Meta().Get(reasonHeader), uint32(wire.Code()), wire.Message()
}

// Restore makes an error of what Describe said. It matches what the service returned.
func Restore(reason string, code uint32, message string) error {
	wire := connect.NewError(connect.Code(code), errors.New(message))
	if reason != "" {
		wire.Meta().Set(reasonHeader, reason)
	}
	return fromWire(wire)
}

// remote is an error that another service returned. It matches both the sentinel and the *connect.Error.
type remote struct {
	sentinel error
	wire     *connect.Error
}

func (r *remote) Error() string   { return r.wire.Message() }
func (r *remote) Unwrap() []error { return []error{r.sentinel, r.wire} }

// refusals is the interceptor that translates errors, on both sides.
type refusals struct{}

// WrapUnary is for connect.Interceptor.
func (refusals) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		resp, err := next(ctx, req)
		if req.Spec().IsClient {
			return resp, fromWire(err)
		}
		return resp, toWire(err)
	}
}

// WrapStreamingHandler is for connect.Interceptor.
func (refusals) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return toWire(next(ctx, conn))
	}
}

// WrapStreamingClient is for connect.Interceptor.
func (refusals) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return clientConn{next(ctx, spec)}
	}
}

// clientConn translates the errors of a stream. The end of a stream (io.EOF) is left as it is.
type clientConn struct{ connect.StreamingClientConn }

func (c clientConn) Send(msg any) error    { return fromWire(c.StreamingClientConn.Send(msg)) }
func (c clientConn) Receive(msg any) error { return fromWire(c.StreamingClientConn.Receive(msg)) }
