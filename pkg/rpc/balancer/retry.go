package balancer

import (
	"errors"

	"github.com/quoratedb/quorate/pkg/rpc/batching"
)

// RetryPolicy says when a call that failed may be made again. It holds alike for the calls of a Balancer and for those of AtLeader.
type RetryPolicy struct {
	// Idempotent says that a call may be made twice: it reads, or doing it again does no harm.
	Idempotent bool
	// Retryable are those after which the call may be made again, because nothing was done or doing it again does no harm,
	// and another node, or the same one a little later, may do it.
	Retryable []error
}

// verdict is what becomes of a call after an attempt.
type verdict int

const (
	// final: what came back is the caller's, an answer or an error.
	final verdict = iota
	// elsewhere: another node is to be asked at once.
	elsewhere
	// later: the call is made again once the nodes or the leader change.
	later
	// soon: the call is made again after that, or after a little while.
	soon
	// unknown: nobody knows whether it was done, and it must not be done twice. The caller gets errdefs.ErrLeaderChanged.
	unknown
)

// judge says what becomes of a call whose attempt ended with err.
func (r RetryPolicy) judge(err error) verdict {
	switch {
	case err == nil:
		return final
	case errors.Is(err, errElsewhere):
		return elsewhere
	case r.refused(err):
		return soon
	case errors.Is(err, errNobody), errors.Is(err, batching.ErrUnsent), r.Idempotent && errors.Is(err, batching.ErrLost):
		return later
	case errors.Is(err, batching.ErrLost):
		return unknown
	}
	return final
}

func (r RetryPolicy) refused(err error) bool {
	for _, refusal := range r.Retryable {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
