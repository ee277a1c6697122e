package main

import (
	"fmt"
	"math"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// step is one thing that is done to both stores.
type step struct {
	// request is what is sent; a *pb.WatchRequest goes to a stream. Its revisions may be relative.
	request proto.Message
	// streamed sends a *pb.RangeRequest by RangeStream.
	streamed bool
	// crash kills a process of Quorate after the request, a *pb.PutRequest, and starts it again.
	crash bool
	// node chooses the endpoint, the process to kill or the stream, counted round.
	node int
}

// Revisions are relative to what the stores have when the step's turn comes, so that a step means the same when others before it are left out.
const (
	// toNow stands for the newest revision, toCompacted for that of the last compaction; what is added to them is added to it.
	toNow       = int64(1) << 60
	toCompacted = int64(1) << 61
	// reach is how far from them a number is still one of them.
	reach = int64(1) << 20
)

// resolve returns the request with its relative revisions made absolute.
func resolve(request proto.Message, now, compacted int64) proto.Message {
	resolved := proto.Clone(request)
	walk(resolved.ProtoReflect(), func(m protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) {
		if field.Kind() != protoreflect.Int64Kind || field.IsList() {
			return
		}
		n := value.Int()
		switch {
		case n > toNow-reach && n < toNow+reach:
			m.Set(field, protoreflect.ValueOfInt64(now+n-toNow))
		case n > toCompacted-reach && n < toCompacted+reach:
			m.Set(field, protoreflect.ValueOfInt64(compacted+n-toCompacted))
		}
	})
	return resolved
}

// walk visits every field that is set, those of messages within too.
func walk(m protoreflect.Message, visit func(protoreflect.Message, protoreflect.FieldDescriptor, protoreflect.Value)) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		visit(m, field, value)
		if field.Kind() != protoreflect.MessageKind || field.IsMap() {
			return true
		}
		if !field.IsList() {
			walk(value.Message(), visit)
			return true
		}
		for i := range value.List().Len() {
			walk(value.List().Get(i).Message(), visit)
		}
		return true
	})
}

// bytesShown is how much of a long key or value is printed.
const bytesShown = 40

// show prints a message in one line.
func show(m proto.Message) string {
	shown := proto.Clone(m)
	walk(shown.ProtoReflect(), func(m protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) {
		if field.Kind() == protoreflect.BytesKind && !field.IsList() && len(value.Bytes()) > bytesShown {
			short := fmt.Sprintf("%s... %d bytes", value.Bytes()[:bytesShown/2], len(value.Bytes()))
			m.Set(field, protoreflect.ValueOfBytes([]byte(short)))
		}
	})
	// The library adds spaces at random, lest somebody depend on its form.
	text := strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(shown)), " ")
	for name, n := range map[string]int64{"now": toNow, "compacted": toCompacted} {
		for d := int64(-64); d <= 64; d++ {
			text = strings.ReplaceAll(text, fmt.Sprint(n+d), fmt.Sprintf("%s%+d", name, d))
		}
	}
	text = strings.ReplaceAll(text, fmt.Sprint(int64(math.MaxInt64)), "max")
	return strings.ReplaceAll(text, fmt.Sprint(int64(math.MinInt64)), "min")
}

func (s step) String() string {
	name := strings.TrimSuffix(string(s.request.ProtoReflect().Descriptor().Name()), "Request")
	switch {
	case s.crash:
		return fmt.Sprintf("%s {%s}, then kill -9 of process %d", name, show(s.request), s.node)
	case s.streamed:
		name += "Stream"
	}
	if w, ok := s.request.(*pb.WatchRequest); ok && w.GetCreateRequest() == nil && w.GetCancelRequest() == nil {
		name += " (empty)"
	}
	return fmt.Sprintf("%s {%s} @%d", name, show(s.request), s.node)
}

// describe prints steps, a line each.
func describe(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%4d  %s\n", i, s)
	}
	return b.String()
}
