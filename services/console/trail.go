package console

import (
	"context"
	"time"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

// trailDefault and trailMax bound the lines of one answer.
const trailDefault, trailMax = 100, 1000

// AuditTrail returns the last lines of the audit log. That its caller is root is asked before.
func (c *Console) AuditTrail(_ context.Context, r *consolev1.AuditTrailRequest) (*consolev1.AuditTrailResponse, error) {
	if c.cfg.AuditTail == nil {
		return &consolev1.AuditTrailResponse{Unavailable: "there is no audit log in a file; --audit-log FILE keeps one"}, nil
	}
	lines, err := c.cfg.AuditTail(int(within(r.GetLimit(), trailDefault, trailMax)))
	if err != nil {
		return &consolev1.AuditTrailResponse{Unavailable: "the audit log cannot be read: " + err.Error()}, nil
	}
	return &consolev1.AuditTrailResponse{Lines: lines}, nil
}

// SlowRequests lists the slowest requests. That its caller is root is asked before.
func (c *Console) SlowRequests(context.Context, *consolev1.SlowRequestsRequest) (*consolev1.SlowRequestsResponse, error) {
	answer := &consolev1.SlowRequestsResponse{}
	for _, r := range c.slow.All(time.Now()) {
		answer.Requests = append(answer.Requests, &consolev1.SlowRequest{
			Method: r.Method, TimeUnixMilli: r.At.UnixMilli(), Took: r.Took.Microseconds(), User: r.User, Peer: r.Peer, Prefix: r.Prefix, Shape: r.Shape, Code: r.Code,
			Queue: r.Queue.Microseconds(), Sync: r.Sync.Microseconds(), Commit: r.Commit.Microseconds(), Apply: r.Apply.Microseconds(),
		})
	}
	return answer, nil
}
