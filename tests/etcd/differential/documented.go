package main

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// documented reports whether a request, its revisions absolute, is one that Quorate answers differently on purpose. It has to be in
// docs/differences-from-etcd.md.
func documented(request proto.Message, now int64) bool {
	differs := false
	_, nested := request.(*pb.TxnRequest)
	check := func(m proto.Message) {
		switch r := m.(type) {
		case *pb.CompactionRequest:
			// Compaction to revision 0.
			differs = differs || r.Revision == 0
		case *pb.RangeRequest:
			// `sort_target` without `sort_order`, with a limit.
			differs = differs || r.SortOrder == pb.RangeRequest_NONE && r.SortTarget != pb.RangeRequest_KEY && r.Limit > 0
			// A range with a negative revision in a transaction.
			differs = differs || nested && r.Revision < 0
			// Serializable reads at a revision that this member has not seen.
			differs = differs || r.Serializable && r.Revision > now
		}
	}
	check(request)
	walk(request.ProtoReflect(), func(_ protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) {
		if field.Kind() != protoreflect.MessageKind || field.IsMap() {
			return
		}
		if !field.IsList() {
			check(value.Message().Interface())
			return
		}
		for i := range value.List().Len() {
			check(value.List().Get(i).Message().Interface())
		}
	})
	return differs
}
