package calls

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

func sizeOf(message any) int {
	if m, ok := message.(proto.Message); ok && m != nil {
		return proto.Size(m)
	}
	return 0
}

// countOf is how many keys an answer tells of.
func countOf(response any) int64 {
	switch r := response.(type) {
	case *etcdserverpb.RangeResponse:
		return r.GetCount()
	case *etcdserverpb.DeleteRangeResponse:
		return r.GetDeleted()
	}
	return 0
}

// shapeOf says what a request is like: sizes, limits and numbers of operations.
func shapeOf(request any) string {
	switch r := request.(type) {
	case *etcdserverpb.RangeRequest:
		return rangeShape(r)
	case *etcdserverpb.PutRequest:
		return putShape(r)
	case *etcdserverpb.DeleteRangeRequest:
		return "delete " + span(r.GetKey(), r.GetRangeEnd())
	case *etcdserverpb.TxnRequest:
		return fmt.Sprintf("txn compare:%d success:[%s] failure:[%s]", len(r.GetCompare()), opShapes(r.GetSuccess()), opShapes(r.GetFailure()))
	}
	return ""
}

func span(key, end []byte) string {
	if len(end) == 0 {
		return fmt.Sprintf("key_size:%d", len(key))
	}
	return fmt.Sprintf("key_size:%d end_size:%d", len(key), len(end))
}

func rangeShape(r *etcdserverpb.RangeRequest) string {
	return fmt.Sprintf("range %s limit:%d revision:%d serializable:%t keys_only:%t count_only:%t sort_order:%s",
		span(r.GetKey(), r.GetRangeEnd()), r.GetLimit(), r.GetRevision(), r.GetSerializable(), r.GetKeysOnly(), r.GetCountOnly(), r.GetSortOrder())
}

func putShape(r *etcdserverpb.PutRequest) string {
	return fmt.Sprintf("put key_size:%d value_size:%d", len(r.GetKey()), len(r.GetValue()))
}

// opsShown is how many operations of a transaction are shown.
const opsShown = 4

func opShapes(ops []*etcdserverpb.RequestOp) string {
	var shapes []string
	for _, op := range ops[:min(len(ops), opsShown)] {
		switch {
		case op.GetRequestRange() != nil:
			shapes = append(shapes, rangeShape(op.GetRequestRange()))
		case op.GetRequestPut() != nil:
			shapes = append(shapes, putShape(op.GetRequestPut()))
		case op.GetRequestDeleteRange() != nil:
			shapes = append(shapes, shapeOf(op.GetRequestDeleteRange()))
		default:
			shapes = append(shapes, "txn")
		}
	}
	if more := len(ops) - opsShown; more > 0 {
		shapes = append(shapes, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shapes, ", ")
}
