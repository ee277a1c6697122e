package rpc

import (
	"net/http"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Audit is what members ask each other: *consensus.Member has these methods.
type Audit = consensusv1connect.AuditServiceHandler

// NewAuditHandler makes the handler, and names the path below which it belongs. Only members call it.
func NewAuditHandler(a Audit) (path string, handler http.Handler) {
	return consensusv1connect.NewAuditServiceHandler(a, interceptor.HandlerOptions(nil)...)
}

// NewAuditClient makes a client of the member at a URL. It dials nothing.
func NewAuditClient(c connect.HTTPClient, url string) Audit {
	return consensusv1connect.NewAuditServiceClient(c, url, interceptor.ClientOptions()...)
}
