package main

import (
	"bytes"
	"fmt"
	"math"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

type message = proto.Message

func (g generator) compare() *pb.Compare {
	c := &pb.Compare{Key: g.key(), Result: pb.Compare_CompareResult(g.IntN(4)), Target: pb.Compare_CompareTarget(g.IntN(5))}
	if g.one(4) {
		c.RangeEnd = g.end(c.Key)
	}
	switch c.Target {
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: int64(g.IntN(4)) - 1}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: g.revision()}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: g.revision()}
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: g.value()}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: pick(g, append([]int64{0}, leasesKnown...))}
	}
	switch g.IntN(30) {
	case 0:
		c.TargetUnion = nil
	case 1:
		c.TargetUnion = &pb.Compare_Version{Version: 1}
	case 2:
		c.Result = 9
	case 3:
		c.Target = 9
	}
	return c
}

// txn makes a transaction with others in it, depth deep at most. Many write a key more than once, which is allowed or not by where they do.
func (g generator) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range g.IntN(3) {
		r.Compare = append(r.Compare, g.compare())
	}
	writes := !g.one(4)
	for _, branch := range []*[]*pb.RequestOp{&r.Success, &r.Failure} {
		for range g.IntN(4) {
			*branch = append(*branch, g.op(depth, writes))
		}
	}
	return r
}

func (g generator) op(depth int, writes bool) *pb.RequestOp {
	switch n := g.IntN(12); {
	case n < 3 && depth > 0:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: g.txn(depth - 1)}}
	case n < 7 && writes:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: g.put()}}
	case n < 9 && writes:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: g.deleteRange()}}
	case n == 9 && g.one(40):
		return &pb.RequestOp{}
	}
	r := g.rangeRequest()
	// Most transactions are to get through.
	if !g.one(4) && r.Revision != 0 {
		r.Revision = toNow - int64(g.IntN(3))
	}
	if r.Revision == math.MinInt64 {
		r.Revision = 0
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

// spareEtcd takes out of a transaction what ends etcd: a put that keeps the value or the lease of a key that the transaction has
// deleted by then. etcd refuses most, as duplicate keys; those where a deletion goes to the end of all keys it takes for no
// duplicate, and all its members panic, at each start anew.
func spareEtcd(txn *pb.TxnRequest) {
	var puts []*pb.PutRequest
	toTheEnd := false
	walk(txn.ProtoReflect(), func(m protoreflect.Message, _ protoreflect.FieldDescriptor, _ protoreflect.Value) {
		switch op := m.Interface().(type) {
		case *pb.PutRequest:
			puts = append(puts, op)
		case *pb.DeleteRangeRequest:
			toTheEnd = toTheEnd || bytes.Equal(op.GetRangeEnd(), []byte{0})
		}
	})
	if toTheEnd {
		for _, put := range puts {
			put.IgnoreValue, put.IgnoreLease = false, false
		}
	}
}

// crowd makes a transaction with about as many operations as are allowed, flat or one in another. It writes next to nothing.
func (g generator) crowd() *pb.TxnRequest {
	r, inner := &pb.TxnRequest{}, &pb.TxnRequest{}
	n := opsMax - 1 + g.IntN(3)
	within := 0
	if g.one(2) {
		within = 1 + g.IntN(5)
		n = opsMax - within - 1 + g.IntN(3)
		r.Success = append(r.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}})
		n--
	}
	for i := range n + within {
		op := &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: fmt.Appendf(nil, "crowd/%d", i)}}}
		if i%2 == 0 {
			op = &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: g.key(), CountOnly: true}}}
		}
		if i < within {
			inner.Failure = append(inner.Failure, op)
			continue
		}
		r.Success = append(r.Success, op)
	}
	return r
}
