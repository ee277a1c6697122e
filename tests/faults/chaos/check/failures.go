package check

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// allowed are the errors that a client of a cluster in trouble may be answered.
var allowed = []error{
	rpctypes.ErrNoLeader, rpctypes.ErrNotLeader, rpctypes.ErrLeaderChanged, rpctypes.ErrStopped, rpctypes.ErrTimeout,
	rpctypes.ErrTimeoutDueToLeaderFail, rpctypes.ErrTimeoutDueToConnectionLost, rpctypes.ErrTooManyRequests,
	rpctypes.ErrLeaseNotFound, rpctypes.ErrNoSpace, rpctypes.Error(rpctypes.ErrGRPCNotSupportedForLearner),
	context.DeadlineExceeded, // the client's own
}

// Failures checks how requests ended that were not served: in one of etcd's errors, or with their connection; and none had to be
// abandoned at a member that ran all the while.
func Failures(failures []history.Failure, outages []history.Outage, asked int) Verdict {
	v := Verdict{Name: "errors: etcd's own, none is waited for in vain", What: "requests", Checked: asked}
	for _, f := range failures {
		switch {
		case f.Abandoned:
			if f.Endpoint != "" && !excused(f, outages) {
				v.violation("%s at %s from %v to %v was not answered, though the member ran", f.Request, f.Endpoint, f.Call, f.Return)
			}
		case !expected(f.Error):
			v.violation("%s at %s from %v to %v ended in %v", f.Request, f.Endpoint, f.Call, f.Return, f.Error)
		}
	}
	return v
}

func excused(f history.Failure, outages []history.Outage) bool {
	for _, o := range outages {
		if o.Endpoint == f.Endpoint && o.Begin < f.Return && f.Call < o.End {
			return true
		}
	}
	return false
}

func expected(err error) bool {
	for _, one := range allowed {
		if errors.Is(err, one) {
			return true
		}
	}
	if _, known := errors.AsType[rpctypes.EtcdError](err); known {
		return false
	}
	// What the connection itself says has no text of etcd's.
	return status.Code(err) == codes.Unavailable
}
