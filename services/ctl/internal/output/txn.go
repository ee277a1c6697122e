package output

import (
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Txn shows which branch of a transaction was carried out, and the answer of each of its operations.
func Txn(r *clientv3.TxnResponse) Answer {
	message := (*etcdserverpb.TxnResponse)(r)
	return Answer{
		JSON: txnJSONOf(message), Message: message,
		Simple: func(t *Text) { t.txn(message) },
		Fields: func(t *Text) { t.txnFields(message) },
	}
}

func (t *Text) txn(r *etcdserverpb.TxnResponse) {
	if r.GetSucceeded() {
		t.Linef("SUCCESS")
	} else {
		t.Linef("FAILURE")
	}
	for _, operation := range r.GetResponses() {
		t.Linef("")
		switch answer := operation.GetResponse().(type) {
		case *etcdserverpb.ResponseOp_ResponseRange:
			t.keyValues(answer.ResponseRange.GetKvs(), false)
		case *etcdserverpb.ResponseOp_ResponsePut:
			t.put(answer.ResponsePut)
		case *etcdserverpb.ResponseOp_ResponseDeleteRange:
			t.deleted(answer.ResponseDeleteRange)
		default:
			t.Linef("unexpected response %+v", operation)
		}
	}
}

func (t *Text) txnFields(r *etcdserverpb.TxnResponse) {
	t.header(r.GetHeader())
	t.field("Succeeded", r.GetSucceeded())
	for _, operation := range r.GetResponses() {
		switch answer := operation.GetResponse().(type) {
		case *etcdserverpb.ResponseOp_ResponseRange:
			t.rangeFields(answer.ResponseRange)
		case *etcdserverpb.ResponseOp_ResponsePut:
			t.putFields(answer.ResponsePut)
		case *etcdserverpb.ResponseOp_ResponseDeleteRange:
			t.deletedFields(answer.ResponseDeleteRange)
		default:
			t.quoted("Unknown", fmt.Sprintf("%+v", answer))
		}
	}
}

// txnJSON is a transaction's answer as etcdctl writes it in JSON: encoded as it comes, the message would name Go's fields where one of
// several kinds of answer is.
type txnJSON struct {
	Header    *etcdserverpb.ResponseHeader `json:"header,omitempty"`
	Succeeded bool                         `json:"succeeded,omitempty"`
	Responses []operationJSON              `json:"responses,omitempty"`
}

type operationJSON struct {
	Response struct {
		Range       *etcdserverpb.RangeResponse       `json:"response_range,omitempty"`
		Put         *etcdserverpb.PutResponse         `json:"response_put,omitempty"`
		DeleteRange *etcdserverpb.DeleteRangeResponse `json:"response_delete_range,omitempty"`
		Txn         *txnJSON                          `json:"response_txn,omitempty"`
	} `json:"Response"`
}

func txnJSONOf(r *etcdserverpb.TxnResponse) *txnJSON {
	encoded := &txnJSON{Header: r.GetHeader(), Succeeded: r.GetSucceeded()}
	for _, operation := range r.GetResponses() {
		var one operationJSON
		one.Response.Range = operation.GetResponseRange()
		one.Response.Put = operation.GetResponsePut()
		one.Response.DeleteRange = operation.GetResponseDeleteRange()
		if nested := operation.GetResponseTxn(); nested != nil {
			one.Response.Txn = txnJSONOf(nested)
		}
		encoded.Responses = append(encoded.Responses, one)
	}
	return encoded
}
