package rpc

import (
	"net/http"

	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Inspector is a member's side of what a person wants to see of the store: *consensus.Inspector has these methods.
type Inspector = consensusv1connect.InspectServiceHandler

// NewInspectHandler makes the handler, whose messages keep the rules, and names the path below which it belongs.
func NewInspectHandler(i Inspector, rules interceptor.Rules) (path string, handler http.Handler) {
	path, handler = consensusv1connect.NewInspectServiceHandler(i, interceptor.HandlerOptions(rules)...)
	return path, interceptor.Interruptible(handler)
}
