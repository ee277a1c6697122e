package v3

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The store's results become etcd's answers. Key-values are shared with the result, which nobody changes.

func fromRangeResult(result *consensusv1.RangeResult, header *etcdserverpb.ResponseHeader) *etcdserverpb.RangeResponse {
	return &etcdserverpb.RangeResponse{
		Header: header,
		Kvs:    result.GetKvs(),
		More:   result.GetMore(),
		Count:  result.GetCount(),
	}
}

func fromPutResult(result *consensusv1.PutResult, header *etcdserverpb.ResponseHeader) *etcdserverpb.PutResponse {
	return &etcdserverpb.PutResponse{Header: header, PrevKv: result.GetPrevKv()}
}

func fromDeleteRangeResult(result *consensusv1.DeleteRangeResult, header *etcdserverpb.ResponseHeader) *etcdserverpb.DeleteRangeResponse {
	return &etcdserverpb.DeleteRangeResponse{
		Header:  header,
		Deleted: result.GetDeleted(),
		PrevKvs: result.GetPrevKvs(),
	}
}

// fromTxnResult gives the operations' answers the headers that etcd gives them: nothing but the revision, which is the
// transaction's own from its first change on and the one before it until then. A nested transaction's is empty.
func fromTxnResult(result *consensusv1.TxnResult, header *etcdserverpb.ResponseHeader) *etcdserverpb.TxnResponse {
	revision := header.GetRevision()
	if changes(result) {
		revision--
	}
	return &etcdserverpb.TxnResponse{
		Header:    header,
		Succeeded: result.GetSucceeded(),
		Responses: fromOpResults(result.GetResults(), &revision, header.GetRevision()),
	}
}

// fromOpResults converts the results in the order in which the operations ran. *current is the revision that an
// operation sees, and becomes changed, that of the whole transaction, with the first change.
func fromOpResults(results []*consensusv1.OpResult, current *int64, changed int64) []*etcdserverpb.ResponseOp {
	if len(results) == 0 {
		return nil
	}
	answers := make([]*etcdserverpb.ResponseOp, len(results))
	for i, result := range results {
		answers[i] = fromOpResult(result, current, changed)
	}
	return answers
}

func fromOpResult(result *consensusv1.OpResult, current *int64, changed int64) *etcdserverpb.ResponseOp {
	if result.GetTxn() == nil && opChanges(result) {
		*current = changed
	}
	answer := new(etcdserverpb.ResponseOp)
	switch r := result.GetResult().(type) {
	case *consensusv1.OpResult_Range:
		header := &etcdserverpb.ResponseHeader{Revision: *current}
		answer.Response = &etcdserverpb.ResponseOp_ResponseRange{ResponseRange: fromRangeResult(r.Range, header)}
	case *consensusv1.OpResult_Put:
		header := &etcdserverpb.ResponseHeader{Revision: *current}
		answer.Response = &etcdserverpb.ResponseOp_ResponsePut{ResponsePut: fromPutResult(r.Put, header)}
	case *consensusv1.OpResult_DeleteRange:
		header := &etcdserverpb.ResponseHeader{Revision: *current}
		answer.Response = &etcdserverpb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: fromDeleteRangeResult(r.DeleteRange, header)}
	case *consensusv1.OpResult_Txn:
		answer.Response = &etcdserverpb.ResponseOp_ResponseTxn{ResponseTxn: &etcdserverpb.TxnResponse{
			Header:    &etcdserverpb.ResponseHeader{},
			Succeeded: r.Txn.GetSucceeded(),
			Responses: fromOpResults(r.Txn.GetResults(), current, changed),
		}}
	}
	return answer
}

// changes tells whether a transaction wrote anything, and so has a revision of its own.
func changes(result *consensusv1.TxnResult) bool {
	for _, op := range result.GetResults() {
		if opChanges(op) {
			return true
		}
	}
	return false
}

func opChanges(result *consensusv1.OpResult) bool {
	switch r := result.GetResult().(type) {
	case *consensusv1.OpResult_Put:
		return true
	case *consensusv1.OpResult_DeleteRange:
		return r.DeleteRange.GetDeleted() > 0
	case *consensusv1.OpResult_Txn:
		return changes(r.Txn)
	}
	return false
}

// fromEvents allocates all events at once.
func fromEvents(events []*consensusv1.Event) []*mvccpb.Event {
	slab := make([]mvccpb.Event, len(events))
	converted := make([]*mvccpb.Event, len(events))
	for i, event := range events {
		slab[i].Type = mvccpb.Event_EventType(event.GetType())
		slab[i].Kv, slab[i].PrevKv = event.GetKv(), event.GetPrevKv()
		converted[i] = &slab[i]
	}
	return converted
}
