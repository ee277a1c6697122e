package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// answer is what a store said to one request.
type answer struct {
	code codes.Code
	text string
	// body is nil if the answer is an error.
	body proto.Message
}

func (a answer) String() string {
	if a.code != codes.OK {
		return fmt.Sprintf("%v %q", a.code, a.text)
	}
	return show(a.body)
}

// difference is how the answers to a step differ.
type difference struct {
	// at is the step's place, or that of the last one before a comparison of what was watched.
	at   int
	step step
	// what names each thing that differs.
	what       []string
	etcd, ours string
}

func (d *difference) String() string {
	what := d.what[:min(len(d.what), thingsShown)]
	return fmt.Sprintf("step %d: %s\n  etcd: %.*s\n  ours: %.*s\n  %s", d.at, d.step, answerShown, d.etcd, answerShown, d.ours, strings.Join(what, "\n  "))
}

const (
	// answerShown is how many characters of an answer are printed, thingsShown how many of the things that differ.
	answerShown = 1500
	thingsShown = 12
)

// ttlTolerance is how many seconds the rest of a lease may be off what it was granted: the stores' clocks are not compared, and a member that was
// restarted gives leases their time again.
const ttlTolerance = 600

// compare names what differs between the answers, nothing if they are the same.
func compare(etcd, ours answer) []string {
	var what []string
	if etcd.code != ours.code {
		what = append(what, fmt.Sprintf("code: etcd %v, ours %v", etcd.code, ours.code))
	}
	if etcd.text != ours.text {
		what = append(what, fmt.Sprintf("text: etcd %q, ours %q", etcd.text, ours.text))
	}
	if etcd.body == nil || ours.body == nil {
		return what
	}
	a, b := normal(etcd.body), normal(ours.body)
	return append(what, unequal("", a.ProtoReflect(), b.ProtoReflect())...)
}

// normal is the message without what two stores cannot have in common: who they are, how often they elected, how fast their clocks run, and
// the order of a lease's keys, which is of no kind in etcd.
func normal(m proto.Message) proto.Message {
	m = proto.Clone(m)
	headers := func(m protoreflect.Message) {
		if h, ok := m.Interface().(*pb.ResponseHeader); ok {
			h.ClusterId, h.MemberId, h.RaftTerm = 0, 0, 0
		}
	}
	walk(m.ProtoReflect(), func(_ protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) {
		if field.Kind() == protoreflect.MessageKind && !field.IsList() && !field.IsMap() {
			headers(value.Message())
		}
	})
	if r, ok := m.(*pb.LeaseTimeToLiveResponse); ok && r.TTL <= r.GrantedTTL && r.TTL > r.GrantedTTL-ttlTolerance {
		r.TTL = r.GrantedTTL
	}
	if r, ok := m.(*pb.LeaseTimeToLiveResponse); ok {
		slices.SortFunc(r.Keys, bytes.Compare)
	}
	return m
}

// orderLeases puts a list of leases in the order of their ids. It is in that of their ends, which differ once one store was restarted
// and the other was not.
func orderLeases(body proto.Message) {
	if r, ok := body.(*pb.LeaseLeasesResponse); ok {
		slices.SortFunc(r.Leases, func(a, b *pb.LeaseStatus) int { return cmp.Compare(a.ID, b.ID) })
	}
}

// unequal names the fields that differ, those of messages within by their paths.
func unequal(path string, a, b protoreflect.Message) []string {
	var what []string
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name := strings.TrimPrefix(path+"."+string(field.Name()), ".")
		if field.HasPresence() && a.Has(field) != b.Has(field) {
			what = append(what, fmt.Sprintf("%s: etcd has it: %v, ours: %v", name, a.Has(field), b.Has(field)))
			continue
		}
		if !field.IsList() {
			what = append(what, unequalValues(name, field, a.Get(field), b.Get(field))...)
			continue
		}
		left, right := a.Get(field).List(), b.Get(field).List()
		if left.Len() != right.Len() {
			what = append(what, fmt.Sprintf("%s: etcd has %d, ours %d", name, left.Len(), right.Len()))
			continue
		}
		for i := range left.Len() {
			what = append(what, unequalValues(fmt.Sprintf("%s[%d]", name, i), field, left.Get(i), right.Get(i))...)
		}
	}
	return what
}

func unequalValues(name string, field protoreflect.FieldDescriptor, a, b protoreflect.Value) []string {
	if field.Kind() == protoreflect.MessageKind {
		if !a.Message().IsValid() && !b.Message().IsValid() {
			return nil
		}
		return unequal(name, a.Message(), b.Message())
	}
	if a.Equal(b) {
		return nil
	}
	format := "%s: etcd %v, ours %v"
	if field.Kind() == protoreflect.BytesKind {
		format = "%s: etcd %.60q, ours %.60q"
	}
	return []string{fmt.Sprintf(format, name, a.Interface(), b.Interface())}
}
