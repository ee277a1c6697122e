package forward

import (
	"context"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// Outgoing is the context of a call to the cluster for the request that ctx is of: with the token of its caller, and whether it wants a leader.
// Of its other headers only ours go on; its deadline does.
func Outgoing(ctx context.Context) context.Context {
	out := OutgoingFor(ctx, auth.Caller(ctx), WantsLeader(ctx))
	for _, key := range headers {
		for _, value := range metadata.ValueFromIncomingContext(ctx, key) {
			out = metadata.AppendToOutgoingContext(out, key, value)
		}
	}
	return out
}

// headers are those of our own that mean something to the methods.
var headers = []string{v3.StartRevisionHeader}

// OutgoingFor is Outgoing for a caller, nil for nobody.
func OutgoingFor(ctx context.Context, caller *consensusv1.Caller, wantsLeader bool) context.Context {
	var pairs []string
	if caller.GetToken() != "" || caller.GetInvalid() {
		pairs = append(pairs, rpctypes.TokenFieldNameGRPC, caller.GetToken())
	}
	if wantsLeader {
		pairs = append(pairs, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
	}
	if len(pairs) == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// WantsLeader tells that a request is to fail while there is no leader.
func WantsLeader(ctx context.Context) bool {
	values := metadata.ValueFromIncomingContext(ctx, rpctypes.MetadataRequireLeaderKey)
	return len(values) > 0 && values[0] == rpctypes.MetadataHasLeader
}
