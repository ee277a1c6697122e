package rpc

import (
	"context"
	"net/http"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Quotas is a member's side of quotas by prefix as its users see it: *consensus.Quotas has these methods.
type Quotas interface {
	ReadQuotas(context.Context, *consensusv1.ReadQuotasRequest) (*consensusv1.ReadQuotasResponse, error)
}

// NewQuotasHandler makes the handler, whose messages keep the rules, and names the path below which it belongs.
func NewQuotasHandler(q Quotas, rules interceptor.Rules) (path string, handler http.Handler) {
	path, handler = consensusv1connect.NewQuotaServiceHandler(q, interceptor.HandlerOptions(rules)...)
	return path, interceptor.Interruptible(handler)
}
