package validation

import (
	"slices"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// leasesMax is how many leases a keep-alive may be for.
const leasesMax = 10_000

// sound tells of the commonest messages that they keep the rules: having each looked at by what reads the rules costs more than decoding
// them. It may say no of any message, which the rules then decide on, and yes only of what they let through. A test holds that, and
// that the rules of these messages are those that are known here.
func sound(message proto.Message) bool {
	switch m := message.(type) {
	case *consensusv1.BatchRequest, *leasev1.BatchRequest:
		return true // the requests in it are checked once they are decoded
	case *consensusv1.ProposeRequest:
		switch command := m.GetCommand().GetCommand().(type) {
		case *consensusv1.Command_Put:
			return len(command.Put.GetKey()) > 0
		case *consensusv1.Command_Txn:
			return soundTxn(command.Txn)
		}
	case *consensusv1.RangeRequest:
		return soundRange(m.GetRange())
	case *leasev1.KeepAliveRequest:
		return len(m.GetIds()) > 0 && len(m.GetIds()) <= leasesMax
	}
	return false
}

func soundRange(r *consensusv1.RangeOp) bool {
	return len(r.GetKey()) > 0 && upTo(consensusv1.RangeOp_SORT_ORDER_DESCEND, r.GetSortOrder()) && upTo(consensusv1.RangeOp_SORT_TARGET_VALUE, r.GetSortTarget())
}

// upTo tells whether a number is that of one of an enumeration's values, the last of which is last.
func upTo[E ~int32](last, number E) bool { return number >= 0 && number <= last }

func soundTxn(txn *consensusv1.TxnOp) bool {
	for _, c := range txn.GetCompare() {
		if len(c.GetKey()) == 0 || c.GetTarget() == nil || c.GetRelation() == 0 || !upTo(consensusv1.Compare_RELATION_NOT_EQUAL, c.GetRelation()) {
			return false
		}
	}
	return !slices.ContainsFunc(txn.GetSuccess(), unsound) && !slices.ContainsFunc(txn.GetFailure(), unsound)
}

func unsound(op *consensusv1.Op) bool {
	switch op := op.GetOp().(type) {
	case *consensusv1.Op_Range:
		return !soundRange(op.Range)
	case *consensusv1.Op_Put:
		return len(op.Put.GetKey()) == 0
	case *consensusv1.Op_DeleteRange:
		return len(op.DeleteRange.GetKey()) == 0
	}
	return true
}
