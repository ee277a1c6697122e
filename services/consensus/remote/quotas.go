package remote

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// ReadQuotas reads the quotas by prefix and what is in use of them.
func (c *Client) ReadQuotas(ctx context.Context, req *consensusv1.ReadQuotasRequest) (*consensusv1.ReadQuotasResponse, error) {
	return call[consensusv1.ReadQuotasResponse](ctx, c, c.turns.read(), "ReadQuotas", req)
}
