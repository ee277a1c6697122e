package interceptor

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// reasonHeader carries the name of an error of errdefs beside the error: in the headers of a unary answer, at the end of a stream.
const reasonHeader = "Quorate-Reason"

// wireError is how one sentinel looks on the wire.
type wireError struct {
	sentinel error
	// reason is the sentinel's name, which two versions of a service must agree on: it never changes.
	reason string
	// code is for readers who know Connect and not us.
	code connect.Code
}

// wireErrors are all sentinels that cross the wire. An error that matches several is sent as the first of them.
var wireErrors = []wireError{
	{errdefs.ErrCompacted, "compacted", connect.CodeOutOfRange},
	{errdefs.ErrFutureRevision, "future_revision", connect.CodeOutOfRange},
	{errdefs.ErrKeyNotFound, "key_not_found", connect.CodeNotFound},
	{errdefs.ErrLeaseNotFound, "lease_not_found", connect.CodeNotFound},
	{errdefs.ErrLeaseExists, "lease_exists", connect.CodeAlreadyExists},
	{errdefs.ErrLeaseTTLTooLarge, "lease_ttl_too_large", connect.CodeOutOfRange},
	{errdefs.ErrStaleEpoch, "stale_epoch", connect.CodeFailedPrecondition},
	{errdefs.ErrNoSpace, "no_space", connect.CodeResourceExhausted},
	{errdefs.ErrCorrupt, "corrupt", connect.CodeDataLoss},
	{errdefs.ErrNoLeader, "no_leader", connect.CodeUnavailable},
	{errdefs.ErrLeaderChanged, "leader_changed", connect.CodeUnavailable},
	{errdefs.ErrLeaderFailed, "leader_failed", connect.CodeUnavailable},
	{errdefs.ErrConnectionLost, "connection_lost", connect.CodeUnavailable},
	{errdefs.ErrTimeout, "timeout", connect.CodeUnavailable},
	{errdefs.ErrTooManyRequests, "too_many_requests", connect.CodeResourceExhausted},
	{errdefs.ErrTooLarge, "too_large", connect.CodeInvalidArgument},
	{errdefs.ErrMemberNotFound, "member_not_found", connect.CodeNotFound},
	{errdefs.ErrMemberRemoved, "member_removed", connect.CodeNotFound},
	{errdefs.ErrMemberExists, "member_exists", connect.CodeAlreadyExists},
	{errdefs.ErrPeerInUse, "peer_in_use", connect.CodeAlreadyExists},
	{errdefs.ErrTooManyLearners, "too_many_learners", connect.CodeFailedPrecondition},
	{errdefs.ErrNotLearner, "not_learner", connect.CodeFailedPrecondition},
	{errdefs.ErrLearnerNotReady, "learner_not_ready", connect.CodeFailedPrecondition},
	{errdefs.ErrNotEnoughStarted, "not_enough_started", connect.CodeFailedPrecondition},
	{errdefs.ErrUnhealthy, "unhealthy", connect.CodeUnavailable},
	{errdefs.ErrNotLeader, "not_leader", connect.CodeFailedPrecondition},
	{errdefs.ErrBadTransferee, "bad_transferee", connect.CodeFailedPrecondition},
	{errdefs.ErrRootUserNotExist, "root_user_not_exist", connect.CodeFailedPrecondition},
	{errdefs.ErrRootRoleNotExist, "root_role_not_exist", connect.CodeFailedPrecondition},
	{errdefs.ErrUserExists, "user_exists", connect.CodeAlreadyExists},
	{errdefs.ErrUserEmpty, "user_empty", connect.CodeInvalidArgument},
	{errdefs.ErrUserNotFound, "user_not_found", connect.CodeNotFound},
	{errdefs.ErrRoleExists, "role_exists", connect.CodeAlreadyExists},
	{errdefs.ErrRoleEmpty, "role_empty", connect.CodeInvalidArgument},
	{errdefs.ErrRoleNotFound, "role_not_found", connect.CodeNotFound},
	{errdefs.ErrRoleNotGranted, "role_not_granted", connect.CodeFailedPrecondition},
	{errdefs.ErrPermissionNotGiven, "permission_not_given", connect.CodeInvalidArgument},
	{errdefs.ErrPermissionNotGranted, "permission_not_granted", connect.CodeFailedPrecondition},
	{errdefs.ErrPermissionDenied, "permission_denied", connect.CodePermissionDenied},
	{errdefs.ErrAuthFailed, "auth_failed", connect.CodeUnauthenticated},
	{errdefs.ErrNoPasswordUser, "no_password_user", connect.CodeUnauthenticated},
	{errdefs.ErrPasswordTooLong, "password_too_long", connect.CodeInvalidArgument},
	{errdefs.ErrAuthNotEnabled, "auth_not_enabled", connect.CodeFailedPrecondition},
	{errdefs.ErrInvalidAuthToken, "invalid_auth_token", connect.CodeUnauthenticated},
	{errdefs.ErrInvalidAuthManagement, "invalid_auth_management", connect.CodeInvalidArgument},
	{errdefs.ErrAuthOldRevision, "auth_old_revision", connect.CodeFailedPrecondition},
	{errdefs.ErrQuotaExceeded, "quota_exceeded", connect.CodeResourceExhausted},
	{errdefs.ErrQuotaNotFound, "quota_not_found", connect.CodeNotFound},
	{errdefs.ErrTooManyQuotas, "too_many_quotas", connect.CodeFailedPrecondition},
	{errdefs.ErrStopped, "stopped", connect.CodeUnavailable},
}

// byReason and byCode find what an answer stands for. An answer without a reason was given by Connect itself: the
// service could not be reached, or did not get to answering in time.
var (
	byReason = map[string]error{}
	byCode   = map[connect.Code]error{
		connect.CodeCanceled:         context.Canceled,
		connect.CodeDeadlineExceeded: context.DeadlineExceeded,
		// Whether the call took effect is open, which is what this sentinel says.
		connect.CodeUnavailable: errdefs.ErrLeaderChanged,
	}
)

func init() {
	for _, r := range wireErrors {
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
	for _, r := range wireErrors {
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

// Describe says how an error is sent inside of a message: the name of the error of errdefs, empty for none, Connect's code, and the text.
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

// translated is the interceptor that translates errors, on both sides.
type translated struct{}

// WrapUnary is for connect.Interceptor.
func (translated) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		resp, err := next(ctx, req)
		if req.Spec().IsClient {
			return resp, fromWire(err)
		}
		return resp, toWire(err)
	}
}

// WrapStreamingHandler is for connect.Interceptor.
func (translated) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return toWire(next(ctx, conn))
	}
}

// WrapStreamingClient is for connect.Interceptor.
func (translated) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return clientConn{next(ctx, spec)}
	}
}

// clientConn translates the errors of a stream. The end of a stream (io.EOF) is left as it is.
type clientConn struct{ connect.StreamingClientConn }

func (c clientConn) Send(msg any) error    { return fromWire(c.StreamingClientConn.Send(msg)) }
func (c clientConn) Receive(msg any) error { return fromWire(c.StreamingClientConn.Receive(msg)) }
