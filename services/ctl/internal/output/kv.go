package output

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Get shows the key-values of a range; valuesOnly leaves the keys out of the format simple.
func Get(r *clientv3.GetResponse, valuesOnly bool) Answer {
	message := (*etcdserverpb.RangeResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) { t.keyValues(message.GetKvs(), valuesOnly) },
		Fields: func(t *Text) { t.rangeFields(message) },
	}
}

// Put shows that a put was done, and the key-value that was there before if it was asked for.
func Put(r *clientv3.PutResponse) Answer {
	message := (*etcdserverpb.PutResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) { t.put(message) },
		Fields: func(t *Text) { t.putFields(message) },
	}
}

// Delete shows how many keys were deleted, and the key-values that were there before if they were asked for.
func Delete(r *clientv3.DeleteResponse) Answer {
	message := (*etcdserverpb.DeleteRangeResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) { t.deleted(message) },
		Fields: func(t *Text) { t.deletedFields(message) },
	}
}

func (t *Text) put(r *etcdserverpb.PutResponse) {
	t.Linef("OK")
	if before := r.GetPrevKv(); before != nil {
		t.keyValue(before, false)
	}
}

func (t *Text) putFields(r *etcdserverpb.PutResponse) {
	t.header(r.GetHeader())
	if before := r.GetPrevKv(); before != nil {
		t.keyValueFields("Prev", before)
	}
}

func (t *Text) deleted(r *etcdserverpb.DeleteRangeResponse) {
	t.Linef("%d", r.GetDeleted())
	t.keyValues(r.GetPrevKvs(), false)
}

func (t *Text) deletedFields(r *etcdserverpb.DeleteRangeResponse) {
	t.header(r.GetHeader())
	t.field("Deleted", r.GetDeleted())
	for _, before := range r.GetPrevKvs() {
		t.keyValueFields("Prev", before)
	}
}

func (t *Text) rangeFields(r *etcdserverpb.RangeResponse) {
	t.header(r.GetHeader())
	for _, kv := range r.GetKvs() {
		t.keyValueFields("", kv)
	}
	t.field("More", r.GetMore())
	t.field("Count", r.GetCount())
}

func (t *Text) keyValues(kvs []*mvccpb.KeyValue, valuesOnly bool) {
	for _, kv := range kvs {
		t.keyValue(kv, valuesOnly)
	}
}

// keyValue writes a key and its value, a line each.
func (t *Text) keyValue(kv *mvccpb.KeyValue, valueOnly bool) {
	if !valueOnly {
		t.bytes(kv.GetKey())
	}
	t.bytes(kv.GetValue())
}

// bytes writes a key or value as it is, or with --hex as escapes that a shell's printf takes.
func (t *Text) bytes(b []byte) {
	if !t.Hex {
		t.Linef("%s", b)
		return
	}
	var escaped strings.Builder
	for _, c := range b {
		fmt.Fprintf(&escaped, `\x%02x`, c)
	}
	t.Linef("%s", escaped.String())
}

func (t *Text) keyValueFields(prefix string, kv *mvccpb.KeyValue) {
	t.quoted(prefix+"Key", string(kv.GetKey()))
	t.field(prefix+"CreateRevision", kv.GetCreateRevision())
	t.field(prefix+"ModRevision", kv.GetModRevision())
	t.field(prefix+"Version", kv.GetVersion())
	t.quoted(prefix+"Value", string(kv.GetValue()))
	t.leaseField(prefix+"Lease", kv.GetLease())
}

// leaseField writes a lease's id, with --hex as the lease commands take it.
func (t *Text) leaseField(name string, id int64) {
	if t.Hex {
		t.Linef("%q : %016x", name, id)
		return
	}
	t.field(name, id)
}
