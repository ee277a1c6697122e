package upstream

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// StreamError is the error of a stream for the client. One whose member was lost ends as if the server stopped: clients go on elsewhere, or
// come again.
func StreamError(err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return nil
	case Lost(err):
		return rpctypes.ErrGRPCStopped
	}
	return err
}

// ours are the beginnings of what servers say themselves when they are not available.
var ours = []string{"etcdserver: ", "etcdclient: ", "lease: ", "auth: ", "quorate: "}

// closing is what gRPC says of a connection that we have closed, because its member is none any more.
const closing = "grpc: the client connection is closing"

// Lost tells whether an error is about the connection to a member, and not the member's answer. gRPC has the same code for both; whatever a
// member says begins with a name.
func Lost(err error) bool {
	s, ok := status.FromError(err)
	if ok && s.Code() == codes.Canceled && s.Message() == closing {
		return true
	}
	if !ok || s.Code() != codes.Unavailable {
		return false
	}
	for _, beginning := range ours {
		if strings.HasPrefix(s.Message(), beginning) {
			return false
		}
	}
	return true
}

// neverSent tells that a request did not leave, because there was no connection.
func neverSent(err error) bool {
	return strings.Contains(status.Convert(err).Message(), "while dialing")
}

// leaderless are refusals of a member that may be cut off from the others.
var leaderless = []error{
	rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCTimeoutDueToLeaderFail, rpctypes.ErrGRPCTimeoutDueToConnectionLost, rpctypes.ErrGRPCStopped,
}

func isLeaderless(err error) bool {
	text := status.Convert(err).Message()
	return slices.ContainsFunc(leaderless, func(refusal error) bool { return text == status.Convert(refusal).Message() })
}

// ended is the error of a request whose client does not wait any longer.
func ended(ctx context.Context) error { return status.FromContextError(ctx.Err()).Err() }
