package member

import (
	"context"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/consensus/peer"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
)

// auditor asks the other members what they hold, on their port for members.
type auditor struct{ transport *peer.Transport }

var _ consensus.Auditor = auditor{}

// Digests implements consensus.Auditor.
func (a auditor) Digests(ctx context.Context, id uint64, req *consensusv1.DigestsRequest) (*consensusv1.DigestsResponse, error) {
	url, known := a.transport.URL(id)
	if !known {
		return nil, fmt.Errorf("ask member %x for its digests: %w", id, errdefs.ErrMemberNotFound)
	}
	return consensusrpc.NewAuditClient(a.transport.HTTPClient(id), url).Digests(ctx, req)
}
