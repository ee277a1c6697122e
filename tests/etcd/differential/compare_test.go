package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// whole is an answer of each kind with everything in it that stores say.
func whole() []proto.Message {
	header := func() *pb.ResponseHeader {
		return &pb.ResponseHeader{ClusterId: 1, MemberId: 2, Revision: 7, RaftTerm: 3}
	}
	kv := func() *mvccpb.KeyValue {
		return &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("v"), CreateRevision: 2, ModRevision: 6, Version: 3, Lease: 9}
	}
	ranged := func() *pb.RangeResponse {
		return &pb.RangeResponse{Header: header(), Kvs: []*mvccpb.KeyValue{kv(), kv()}, More: true, Count: 5}
	}
	return []proto.Message{
		ranged(),
		&pb.PutResponse{Header: header(), PrevKv: kv()},
		&pb.DeleteRangeResponse{Header: header(), Deleted: 2, PrevKvs: []*mvccpb.KeyValue{kv(), kv()}},
		&pb.TxnResponse{Header: header(), Succeeded: true, Responses: []*pb.ResponseOp{
			{Response: &pb.ResponseOp_ResponseRange{ResponseRange: ranged()}},
			{Response: &pb.ResponseOp_ResponseTxn{ResponseTxn: &pb.TxnResponse{Header: header(), Responses: []*pb.ResponseOp{
				{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{Header: header(), PrevKv: kv()}}},
				{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: &pb.DeleteRangeResponse{Header: header(), Deleted: 1}}},
			}}}},
		}},
		&pb.CompactionResponse{Header: header()},
		&pb.LeaseGrantResponse{Header: header(), ID: 4, TTL: 6000},
		&pb.LeaseRevokeResponse{Header: header()},
		&pb.LeaseKeepAliveResponse{Header: header(), ID: 4, TTL: 6000},
		&pb.LeaseTimeToLiveResponse{Header: header(), ID: 4, TTL: 6000, GrantedTTL: 6000, Keys: [][]byte{[]byte("a"), []byte("b")}},
		&pb.LeaseLeasesResponse{Header: header(), Leases: []*pb.LeaseStatus{{ID: 4}, {ID: 5}}},
		&pb.WatchResponse{Header: header(), WatchId: 3, Created: true, Canceled: true, CompactRevision: 4, CancelReason: "why", Events: []*mvccpb.Event{
			{Type: mvccpb.Event_DELETE, Kv: kv(), PrevKv: kv()},
		}},
	}
}

// mayDiffer are the fields that two stores cannot have in common.
var mayDiffer = map[protoreflect.Name]bool{"cluster_id": true, "member_id": true, "raft_term": true}

// Goal: no field of any answer can be wrong without being noticed, but those that no two stores share. Method: break each place of each answer in
// turn, in every depth: change it, clear it, and leave out an element.
func TestComparerNoticesEveryBrokenAnswer(t *testing.T) {
	for _, right := range whole() {
		require.Empty(t, compare(answer{body: right}, answer{body: proto.Clone(right)}), "%T", right)
		broken := 0
		for _, b := range breakages(right) {
			what := compare(answer{body: right}, answer{body: b.answer})
			if mayDiffer[b.field] {
				require.Empty(t, what, "%T %s", right, b.field)
				continue
			}
			require.NotEmpty(t, what, "%T with %s broken: %v", right, b.field, b.answer)
			broken++
		}
		require.Positive(t, broken)
	}
}

// breakage is an answer with one thing wrong.
type breakage struct {
	field  protoreflect.Name
	answer proto.Message
}

// breakages are all ways to break one thing in an answer.
func breakages(right proto.Message) []breakage {
	var made []breakage
	places := 0
	walk(right.ProtoReflect(), func(protoreflect.Message, protoreflect.FieldDescriptor, protoreflect.Value) { places++ })
	for place := range places {
		for _, wreck := range []func(protoreflect.Message, protoreflect.FieldDescriptor, protoreflect.Value) bool{alter, erase, lose} {
			wrong, at, done := proto.Clone(right), 0, false
			var name protoreflect.Name
			// A walk's order differs from one to the next: places are told apart by their paths.
			ordered(wrong.ProtoReflect(), func(m protoreflect.Message, field protoreflect.FieldDescriptor) {
				if at == place {
					name, done = field.Name(), wreck(m, field, m.Get(field))
				}
				at++
			})
			if done {
				made = append(made, breakage{name, wrong})
			}
		}
	}
	return made
}

// ordered visits what walk visits, in the order of the fields.
func ordered(m protoreflect.Message, visit func(protoreflect.Message, protoreflect.FieldDescriptor)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) {
			continue
		}
		value := m.Get(field)
		if field.Kind() == protoreflect.MessageKind {
			if field.IsList() {
				for j := range value.List().Len() {
					ordered(value.List().Get(j).Message(), visit)
				}
			} else {
				ordered(value.Message(), visit)
			}
		}
		visit(m, field)
	}
}

func alter(m protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
	if field.IsList() {
		if field.Kind() != protoreflect.BytesKind {
			return false
		}
		value.List().Set(0, protoreflect.ValueOfBytes([]byte("other")))
		return true
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		m.Set(field, protoreflect.ValueOfBool(!value.Bool()))
	case protoreflect.Int64Kind:
		// The rest of a lease may differ by seconds, not by so much.
		m.Set(field, protoreflect.ValueOfInt64(value.Int()-2*ttlTolerance))
	case protoreflect.Uint64Kind:
		m.Set(field, protoreflect.ValueOfUint64(value.Uint()+1))
	case protoreflect.StringKind:
		m.Set(field, protoreflect.ValueOfString(value.String()+"!"))
	case protoreflect.BytesKind:
		m.Set(field, protoreflect.ValueOfBytes([]byte("other")))
	default:
		return false
	}
	return true
}

func erase(m protoreflect.Message, field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
	m.Clear(field)
	return true
}

func lose(_ protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
	if !field.IsList() {
		return false
	}
	value.List().Truncate(value.List().Len() - 1)
	return true
}

// Goal: refusals are compared to the letter. Method: another code, another text, an answer instead of a refusal.
func TestComparerNoticesOtherRefusals(t *testing.T) {
	refused := answer{code: codes.OutOfRange, text: "etcdserver: mvcc: required revision has been compacted"}
	require.Empty(t, compare(refused, refused))
	require.NotEmpty(t, compare(refused, answer{code: codes.Unknown, text: refused.text}))
	require.NotEmpty(t, compare(refused, answer{code: refused.code, text: "mvcc: required revision has been compacted"}))
	require.NotEmpty(t, compare(refused, answer{body: &pb.PutResponse{}}))
	require.NotEmpty(t, compare(answer{body: &pb.PutResponse{}}, refused))
}

// Goal: what watches are told is compared event by event. Method: a history with one lost, repeated, swapped and changed, and a revision in two
// answers.
func TestComparerNoticesOtherEvents(t *testing.T) {
	event := func(key string, revision int64) *mvccpb.Event {
		return &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}}
	}
	a, b, c := event("a", 2), event("b", 3), event("c", 3)
	right := []*mvccpb.Event{a, b, c}
	require.Nil(t, watchedUnequal("all", right, []*mvccpb.Event{event("a", 2), event("b", 3), event("c", 3)}))
	for name, wrong := range map[string][]*mvccpb.Event{
		"lost": {a, c}, "none": nil, "repeated": {a, a, b, c}, "swapped": {a, c, b}, "changed": {a, b, event("c", 4)},
		"deleted": {a, b, {Type: mvccpb.Event_DELETE, Kv: c.Kv}}, "with what was before": {a, b, {Kv: c.Kv, PrevKv: a.Kv}},
	} {
		require.NotNil(t, watchedUnequal("all", right, wrong), name)
	}
	w := &watching{}
	w.mu.events, w.mu.fragments = map[int64][]*mvccpb.Event{}, map[int64]bool{}
	w.takeLocked(&pb.WatchResponse{Events: []*mvccpb.Event{a}})
	w.takeLocked(&pb.WatchResponse{Events: []*mvccpb.Event{b}, Fragment: true})
	w.takeLocked(&pb.WatchResponse{Events: []*mvccpb.Event{c}})
	require.Empty(t, w.tears(), "fragments may cut a revision")
	w.takeLocked(&pb.WatchResponse{Events: []*mvccpb.Event{event("d", 3)}})
	require.NotEmpty(t, w.tears())
}

// Goal: the keys of a lease are the same in any order, and no others. Method: one answer in two orders, and another.
func TestKeysOfALeaseHaveNoOrder(t *testing.T) {
	keys := func(names ...string) answer {
		r := &pb.LeaseTimeToLiveResponse{ID: 1}
		for _, name := range names {
			r.Keys = append(r.Keys, []byte(name))
		}
		return answer{body: r}
	}
	require.Empty(t, compare(keys("b", "a"), keys("a", "b")))
	require.NotEmpty(t, compare(keys("b", "a"), keys("a", "c")))
}

// Goal: the order of leases is compared, but for after a restart. Method: one list in two orders.
func TestLeasesAreComparedInOrder(t *testing.T) {
	leases := func(ids ...int64) answer {
		r := &pb.LeaseLeasesResponse{}
		for _, id := range ids {
			r.Leases = append(r.Leases, &pb.LeaseStatus{ID: id})
		}
		return answer{body: r}
	}
	etcd, ours := leases(3, 9), leases(9, 3)
	require.NotEmpty(t, compare(etcd, ours))
	orderLeases(etcd.body)
	orderLeases(ours.body)
	require.Empty(t, compare(etcd, ours))
	orderLeases(nil) // of an error
}

// Goal: a watch is waited for until it has all that it must be told. Method: filters, ranges and a first revision over one history.
func TestWanted(t *testing.T) {
	put := &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte("a"), ModRevision: 5}}
	deletion := &mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("\x00"), ModRevision: 6}}
	history := []*mvccpb.Event{put, deletion}
	for _, c := range []struct {
		create *pb.WatchCreateRequest
		from   int64
		want   int
	}{
		{&pb.WatchCreateRequest{Key: []byte("a")}, 5, 1},
		{&pb.WatchCreateRequest{Key: []byte("a")}, 6, 0},
		{&pb.WatchCreateRequest{}, 1, 1},
		{&pb.WatchCreateRequest{RangeEnd: []byte{0}}, 1, 2},
		{&pb.WatchCreateRequest{RangeEnd: []byte("a")}, 1, 1},
		{&pb.WatchCreateRequest{RangeEnd: []byte{0}, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}}, 1, 1},
		{&pb.WatchCreateRequest{Key: []byte("a"), Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}}, 1, 0},
		{&pb.WatchCreateRequest{Key: []byte("a"), Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}}, 1, 1},
	} {
		require.Equal(t, c.want, wanted(history, c.create, c.from), c.create)
	}
}

// Goal: what differs on purpose is left out, in transactions too, and nothing beside it. Method: each line of the list and its neighbour.
func TestDocumented(t *testing.T) {
	within := func(r *pb.RangeRequest) proto.Message {
		return &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
			Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: r}}},
		}}}}}
	}
	for _, c := range []struct {
		request proto.Message
		want    bool
	}{
		{&pb.CompactionRequest{}, true},
		{&pb.CompactionRequest{Revision: -1}, false},
		{&pb.RangeRequest{SortTarget: pb.RangeRequest_MOD, Limit: 1}, true},
		{&pb.RangeRequest{SortTarget: pb.RangeRequest_MOD, SortOrder: pb.RangeRequest_ASCEND, Limit: 1}, false},
		{&pb.RangeRequest{Serializable: true, Revision: 11}, true},
		{&pb.RangeRequest{Serializable: true, Revision: 10}, false},
		{&pb.RangeRequest{Revision: -1}, false},
		{within(&pb.RangeRequest{Revision: -1}), true},
		{within(&pb.RangeRequest{SortTarget: pb.RangeRequest_MOD, Limit: 1}), true},
		{within(&pb.RangeRequest{Revision: 11}), false},
	} {
		require.Equal(t, c.want, documented(c.request, 10), c.request)
	}
}
