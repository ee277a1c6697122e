package consensus

import (
	"context"
	"fmt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// Inspector is the member's side of what a person wants to see of the store. Its method may be called concurrently.
type Inspector struct {
	callers *callers
	replica *replication.Replica
}

// Inspect lists the children of a prefix, the versions of a key, what was deleted or what has changed. Its caller must be allowed to read the key, or all below
// the prefix. Errors are those of Range.
func (i *Inspector) Inspect(ctx context.Context, req *consensusv1.InspectRequest) (*consensusv1.InspectResponse, error) {
	resp := &consensusv1.InspectResponse{RaftTerm: i.replica.Term()}
	err := i.callers.read(ctx, req, auth.OfInspection(req), func(t *gate.Tenure) error {
		return t.Reading(ctx, func(ctx context.Context) error { return inspect(ctx, t, req, resp) })
	})
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return resp, nil
}

func inspect(ctx context.Context, t *gate.Tenure, req *consensusv1.InspectRequest, resp *consensusv1.InspectResponse) error {
	// What is told besides is where the store stands, and never older than what was read.
	defer func() { resp.Revision = t.Store.Revision() }()
	switch r := req.GetRequest().(type) {
	case *consensusv1.InspectRequest_Children:
		found, err := mvcc.Children(ctx, t.Store, r.Children)
		resp.Response = &consensusv1.InspectResponse_Children{Children: found}
		return err
	case *consensusv1.InspectRequest_History:
		found, err := mvcc.Versions(ctx, t.Store, r.History)
		resp.Response = &consensusv1.InspectResponse_History{History: found}
		return err
	case *consensusv1.InspectRequest_Deleted:
		found, err := mvcc.Deleted(ctx, t.Store, r.Deleted)
		resp.Response = &consensusv1.InspectResponse_Deleted{Deleted: found}
		return err
	case *consensusv1.InspectRequest_Changes:
		found, err := mvcc.Changes(ctx, t.Store, r.Changes)
		resp.Response = &consensusv1.InspectResponse_Changes{Changes: found}
		return err
	}
	return fmt.Errorf("%T is not known", req.GetRequest())
}
