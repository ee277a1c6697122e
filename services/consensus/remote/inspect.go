package remote

import (
	"context"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Inspect lists children of a prefix, versions of a key or what was deleted.
func (c *Client) Inspect(ctx context.Context, req *consensusv1.InspectRequest) (*consensusv1.InspectResponse, error) {
	if req.GetSerializable() {
		req = proto.CloneOf(req)
		req.SeenRevision = c.store.newest()
	}
	response, err := call[consensusv1.InspectResponse](ctx, c, long(c.turns.reading(req.GetSerializable())), "Inspect", req)
	c.store.sees(response.GetRevision())
	return response, err
}
