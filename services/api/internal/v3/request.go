package v3

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Requests become commands and reads of the store. Keys and values are shared with the request, which nobody changes
// after this. Where an operation needs several messages, one inside the other, they are allocated together.

func toRangeOp(r *etcdserverpb.RangeRequest) *consensusv1.RangeOp {
	op := new(consensusv1.RangeOp)
	fillRangeOp(op, r)
	return op
}

func fillRangeOp(op *consensusv1.RangeOp, r *etcdserverpb.RangeRequest) {
	op.Key = r.GetKey()
	op.RangeEnd = r.GetRangeEnd()
	op.Limit = max(r.GetLimit(), 0) // to etcd a negative limit is none
	op.Revision = r.GetRevision()
	op.SortOrder = consensusv1.RangeOp_SortOrder(r.GetSortOrder())
	op.SortTarget = consensusv1.RangeOp_SortTarget(r.GetSortTarget())
	if op.SortOrder == consensusv1.RangeOp_SORT_ORDER_UNSPECIFIED && op.SortTarget != consensusv1.RangeOp_SORT_TARGET_UNSPECIFIED {
		op.SortOrder = consensusv1.RangeOp_SORT_ORDER_ASCEND
	}
	op.KeysOnly = r.GetKeysOnly()
	op.CountOnly = r.GetCountOnly()
	op.MinModRevision = r.GetMinModRevision()
	op.MaxModRevision = r.GetMaxModRevision()
	op.MinCreateRevision = r.GetMinCreateRevision()
	op.MaxCreateRevision = r.GetMaxCreateRevision()
}

// toPutProposal is the hottest conversion, so all of its messages are one allocation.
func toPutProposal(r *etcdserverpb.PutRequest) *consensusv1.ProposeRequest {
	slab := new(struct {
		request consensusv1.ProposeRequest
		command consensusv1.Command
		choice  consensusv1.Command_Put
		put     consensusv1.PutOp
	})
	fillPutOp(&slab.put, r)
	slab.choice.Put = &slab.put
	slab.command.Command = &slab.choice
	slab.request.Command = &slab.command
	return &slab.request
}

func fillPutOp(op *consensusv1.PutOp, r *etcdserverpb.PutRequest) {
	op.Key = r.GetKey()
	op.Value = r.GetValue()
	op.Lease = r.GetLease()
	op.PrevKv = r.GetPrevKv()
	op.IgnoreValue = r.GetIgnoreValue()
	op.IgnoreLease = r.GetIgnoreLease()
}

func toDeleteRangeOp(r *etcdserverpb.DeleteRangeRequest) *consensusv1.DeleteRangeOp {
	return &consensusv1.DeleteRangeOp{Key: r.GetKey(), RangeEnd: r.GetRangeEnd(), PrevKv: r.GetPrevKv()}
}

func toTxnOp(r *etcdserverpb.TxnRequest) *consensusv1.TxnOp {
	op := &consensusv1.TxnOp{
		Success: toOps(r.GetSuccess()),
		Failure: toOps(r.GetFailure()),
	}
	if len(r.GetCompare()) > 0 {
		op.Compare = make([]*consensusv1.Compare, len(r.GetCompare()))
		for i, compare := range r.GetCompare() {
			op.Compare[i] = toCompare(compare)
		}
	}
	return op
}

func toOps(requests []*etcdserverpb.RequestOp) []*consensusv1.Op {
	if len(requests) == 0 {
		return nil
	}
	ops := make([]*consensusv1.Op, len(requests))
	for i, request := range requests {
		ops[i] = toOp(request)
	}
	return ops
}

// toOp takes an operation that checkOp has passed, so that there is one.
func toOp(r *etcdserverpb.RequestOp) *consensusv1.Op {
	switch request := r.GetRequest().(type) {
	case *etcdserverpb.RequestOp_RequestRange:
		slab := new(struct {
			op     consensusv1.Op
			choice consensusv1.Op_Range
			read   consensusv1.RangeOp
		})
		fillRangeOp(&slab.read, request.RequestRange)
		slab.choice.Range = &slab.read
		slab.op.Op = &slab.choice
		return &slab.op
	case *etcdserverpb.RequestOp_RequestPut:
		slab := new(struct {
			op     consensusv1.Op
			choice consensusv1.Op_Put
			put    consensusv1.PutOp
		})
		fillPutOp(&slab.put, request.RequestPut)
		slab.choice.Put = &slab.put
		slab.op.Op = &slab.choice
		return &slab.op
	case *etcdserverpb.RequestOp_RequestDeleteRange:
		return &consensusv1.Op{Op: &consensusv1.Op_DeleteRange{DeleteRange: toDeleteRangeOp(request.RequestDeleteRange)}}
	case *etcdserverpb.RequestOp_RequestTxn:
		return &consensusv1.Op{Op: &consensusv1.Op_Txn{Txn: toTxnOp(request.RequestTxn)}}
	}
	return nil
}

// toCompare gives the comparison the operand of its target. etcd's message can hold the operand of one target and name
// another; the named one counts, and its operand is then zero.
func toCompare(r *etcdserverpb.Compare) *consensusv1.Compare {
	op := &consensusv1.Compare{Key: r.GetKey(), RangeEnd: r.GetRangeEnd()}
	switch r.GetResult() {
	case etcdserverpb.Compare_EQUAL:
		op.Relation = consensusv1.Compare_RELATION_EQUAL
	case etcdserverpb.Compare_GREATER:
		op.Relation = consensusv1.Compare_RELATION_GREATER
	case etcdserverpb.Compare_LESS:
		op.Relation = consensusv1.Compare_RELATION_LESS
	case etcdserverpb.Compare_NOT_EQUAL:
		op.Relation = consensusv1.Compare_RELATION_NOT_EQUAL
	}
	switch r.GetTarget() {
	case etcdserverpb.Compare_VERSION:
		op.Target = &consensusv1.Compare_Version{Version: r.GetVersion()}
	case etcdserverpb.Compare_CREATE:
		op.Target = &consensusv1.Compare_CreateRevision{CreateRevision: r.GetCreateRevision()}
	case etcdserverpb.Compare_MOD:
		op.Target = &consensusv1.Compare_ModRevision{ModRevision: r.GetModRevision()}
	case etcdserverpb.Compare_VALUE:
		op.Target = &consensusv1.Compare_Value{Value: r.GetValue()}
	case etcdserverpb.Compare_LEASE:
		op.Target = &consensusv1.Compare_Lease{Lease: r.GetLease()}
	}
	if op.GetRelation() == consensusv1.Compare_RELATION_UNSPECIFIED || op.Target == nil {
		return unknownCompare(op)
	}
	return op
}

// unknownCompare stands for a comparison whose relation or target has a number that etcd does not know. There an
// unknown relation always holds, except that a value is never compared with a missing key, and an unknown target is
// equal to every operand.
func unknownCompare(op *consensusv1.Compare) *consensusv1.Compare {
	relation, target := op.Relation, op.Target
	// Every existing key's version is above 0, a missing key's is 0.
	op.Relation, op.Target = consensusv1.Compare_RELATION_GREATER, &consensusv1.Compare_Version{Version: -1}
	_, value := target.(*consensusv1.Compare_Value)
	switch {
	case value:
		op.Target = &consensusv1.Compare_Version{Version: 0}
	case relation != consensusv1.Compare_RELATION_UNSPECIFIED && relation != consensusv1.Compare_RELATION_EQUAL:
		op.Relation = consensusv1.Compare_RELATION_LESS
	}
	return op
}
