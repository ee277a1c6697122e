package consensus

import (
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// futureReadMax is how long a serializable read waits for a revision that this member has not applied: longer than a member
// that serves is behind another. Without a leader nobody can tell whether there is such a revision, and the read is refused
// after that.
const futureReadMax = 5 * time.Second

// namedRevision is the newest revision that a read asks for by its number, 0 if it does not.
func namedRevision(req stale) int64 {
	switch r := req.(type) {
	case *consensusv1.RangeRequest:
		return r.GetRange().GetRevision()
	case *consensusv1.RangeStreamRequest:
		return r.GetRange().GetRevision()
	case *consensusv1.ReadTxnRequest:
		return txnRevision(r.GetTxn())
	case *consensusv1.InspectRequest:
		return r.GetChildren().GetRevision()
	}
	return 0
}

func txnRevision(op *consensusv1.TxnOp) (newest int64) {
	for _, ops := range [][]*consensusv1.Op{op.GetSuccess(), op.GetFailure()} {
		for _, o := range ops {
			newest = max(newest, o.GetRange().GetRevision())
			if nested := o.GetTxn(); nested != nil {
				newest = max(newest, txnRevision(nested))
			}
		}
	}
	return newest
}
