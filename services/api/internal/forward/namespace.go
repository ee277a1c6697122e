package forward

import (
	"bytes"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// Namespace is what stands before every key in the cluster that clients know without it; empty for none.
type Namespace string

// Key is a client's key as the cluster has it. An empty one stays empty, so that it is refused.
func (n Namespace) Key(key []byte) []byte {
	if n == "" || len(key) == 0 {
		return key
	}
	return append([]byte(n), key...)
}

// End is the end of a client's range as the cluster has it. One zero byte, for all keys from the first on, is the end of the namespace.
func (n Namespace) End(end []byte) []byte {
	switch {
	case n == "" || len(end) == 0:
		return end
	case len(end) == 1 && end[0] == 0:
		return n.after()
	}
	return append([]byte(n), end...)
}

// after is the first key behind the namespace; one zero byte where there is none.
func (n Namespace) after() []byte {
	end := []byte(n)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0}
}

// Strip is a key of the cluster as the client knows it.
func (n Namespace) Strip(key []byte) []byte { return bytes.TrimPrefix(key, []byte(n)) }

// has tells whether a key of the cluster is in the namespace.
func (n Namespace) has(key []byte) bool { return bytes.HasPrefix(key, []byte(n)) }

func (n Namespace) strip(kvs ...*mvccpb.KeyValue) {
	for _, kv := range kvs {
		if kv != nil {
			kv.Key = n.Strip(kv.Key)
		}
	}
}

// Requests are copied: the client's own may still be logged.

func (n Namespace) rangeRequest(r *etcdserverpb.RangeRequest) *etcdserverpb.RangeRequest {
	if n == "" {
		return r
	}
	r = proto.CloneOf(r)
	n.renameRange(r)
	return r
}

func (n Namespace) renameRange(r *etcdserverpb.RangeRequest) {
	r.Key, r.RangeEnd = n.Key(r.GetKey()), n.End(r.GetRangeEnd())
}

func (n Namespace) rangeResponse(r *etcdserverpb.RangeResponse) *etcdserverpb.RangeResponse {
	if n != "" {
		n.strip(r.GetKvs()...)
	}
	return r
}

func (n Namespace) put(r *etcdserverpb.PutRequest) *etcdserverpb.PutRequest {
	if n == "" {
		return r
	}
	r = proto.CloneOf(r)
	r.Key = n.Key(r.GetKey())
	return r
}

func (n Namespace) deletion(r *etcdserverpb.DeleteRangeRequest) *etcdserverpb.DeleteRangeRequest {
	if n == "" {
		return r
	}
	r = proto.CloneOf(r)
	r.Key, r.RangeEnd = n.Key(r.GetKey()), n.End(r.GetRangeEnd())
	return r
}

func (n Namespace) txn(r *etcdserverpb.TxnRequest) *etcdserverpb.TxnRequest {
	if n == "" {
		return r
	}
	r = proto.CloneOf(r)
	n.renameTxn(r)
	return r
}

func (n Namespace) renameTxn(r *etcdserverpb.TxnRequest) {
	for _, compare := range r.GetCompare() {
		compare.Key, compare.RangeEnd = n.Key(compare.GetKey()), n.End(compare.GetRangeEnd())
	}
	for _, branch := range [...][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			switch request := op.GetRequest().(type) {
			case *etcdserverpb.RequestOp_RequestRange:
				n.renameRange(request.RequestRange)
			case *etcdserverpb.RequestOp_RequestPut:
				request.RequestPut.Key = n.Key(request.RequestPut.GetKey())
			case *etcdserverpb.RequestOp_RequestDeleteRange:
				d := request.RequestDeleteRange
				d.Key, d.RangeEnd = n.Key(d.GetKey()), n.End(d.GetRangeEnd())
			case *etcdserverpb.RequestOp_RequestTxn:
				n.renameTxn(request.RequestTxn)
			}
		}
	}
}

func (n Namespace) txnResponse(r *etcdserverpb.TxnResponse) *etcdserverpb.TxnResponse {
	if n == "" {
		return r
	}
	for _, op := range r.GetResponses() {
		switch response := op.GetResponse().(type) {
		case *etcdserverpb.ResponseOp_ResponseRange:
			n.strip(response.ResponseRange.GetKvs()...)
		case *etcdserverpb.ResponseOp_ResponsePut:
			n.strip(response.ResponsePut.GetPrevKv())
		case *etcdserverpb.ResponseOp_ResponseDeleteRange:
			n.strip(response.ResponseDeleteRange.GetPrevKvs()...)
		case *etcdserverpb.ResponseOp_ResponseTxn:
			n.txnResponse(response.ResponseTxn)
		}
	}
	return r
}
