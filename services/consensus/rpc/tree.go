package rpc

import (
	"net/http"

	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Tree is the member's side of the v2 API as its users see it: *consensus.Member has these methods.
type Tree = consensusv1connect.TreeServiceHandler

// NewTreeHandler makes the handler, whose messages keep the rules, and names the path below which it belongs.
func NewTreeHandler(t Tree, rules interceptor.Rules) (path string, handler http.Handler) {
	return consensusv1connect.NewTreeServiceHandler(t, interceptor.HandlerOptions(rules)...)
}
