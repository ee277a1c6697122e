package main

import (
	"bytes"
	"math"
	"math/rand/v2"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// generator makes requests over few keys, leases and watches, so that they meet. The same seed makes the same ones, whatever is answered.
type generator struct{ *rand.Rand }

// keysKnown has the forms that encodings and ranges trip over. With the runner's own they are no more than twelve: what sorts equal is in no order
// in etcd if there is more of it, in that of keys in Quorate.
var keysKnown = []string{"a", "b", "a\x00", "ab", "\x00", "\x00\x00", "\xff", "\xff\xff", "k/1", "/v2/path"}

// leasesKnown are the ids that are granted; 99 never is.
var leasesKnown = []int64{1, 2, 3, 4, -1, -7, math.MaxInt64, math.MinInt64}

const (
	leaseUnknown = 99
	// ttlMin is the least time of a lease that stays: none may end by itself while an episode runs, because the stores' clocks are not compared.
	ttlMin = 5000
	// ttlMax is the longest time that etcd grants.
	ttlMax = 9_000_000_000
	// opsMax is how many operations etcd allows in a transaction.
	opsMax = 128
	// tooLarge is a request that etcd refuses itself, tooLargeForGRPC one that its gRPC library does. Sizes about the limit differ, as is documented.
	tooLarge, tooLargeForGRPC = 1_700_000, 3_000_000
	keyLong, valueLong        = 100_000, 300_000
)

// generate makes the steps of an episode.
func generate(seed uint64, n int) []step {
	g := generator{rand.New(rand.NewPCG(seed, 18))}
	steps := make([]step, n)
	for i := range steps {
		steps[i] = g.step()
	}
	return steps
}

func (g generator) one(in int) bool { return g.IntN(in) == 0 }

func pick[T any](g generator, of []T) T { return of[g.IntN(len(of))] }

func (g generator) step() step {
	s := step{node: g.IntN(6)}
	switch n := g.IntN(1000); {
	case n < 300:
		s.request = g.put()
	case n < 500:
		s.request = g.rangeRequest()
	case n < 550:
		s.request, s.streamed = g.rangeRequest(), true
	case n < 630:
		s.request = g.deleteRange()
	case n < 830:
		txn := g.txn(3)
		spareEtcd(txn)
		s.request = txn
	case n < 850:
		s.request = &pb.CompactionRequest{Revision: g.revision(), Physical: g.one(2)}
	case n < 930:
		s.request = g.lease()
	case n < 985:
		s.request = g.watch()
	case n < 995:
		s.request = g.extreme()
	default:
		s.request, s.crash = &pb.PutRequest{Key: []byte("a"), Value: g.value()}, true
	}
	return s
}

func (g generator) key() []byte {
	if g.one(60) {
		return nil
	}
	return []byte(pick(g, keysKnown))
}

func (g generator) end(key []byte) []byte {
	switch g.IntN(8) {
	case 0, 1:
		return []byte{0}
	case 2:
		return g.key()
	case 3:
		return append(bytes.Clone(key), 0xff)
	case 4:
		return append(bytes.Clone(key), 0)
	case 5:
		return []byte{0xff}
	case 6:
		return bytes.Clone(key)
	}
	return nil
}

func (g generator) value() []byte {
	switch g.IntN(12) {
	case 0:
		return nil
	case 1:
		return bytes.Repeat([]byte("long"), 1+g.IntN(500))
	}
	return []byte{byte('0' + g.IntN(5))}
}

func (g generator) leaseID() int64 {
	if g.one(6) {
		return leaseUnknown
	}
	return pick(g, leasesKnown)
}

// revision is one about the newest or the last compaction, or one that no store has.
func (g generator) revision() int64 {
	switch g.IntN(12) {
	case 0:
		return toNow + 1 + int64(g.IntN(3))
	case 1, 2, 3:
		return toCompacted - 1 + int64(g.IntN(3))
	case 4:
		return pick(g, []int64{-1, 0, 1, 2, math.MaxInt64, math.MinInt64})
	}
	return toNow - int64(g.IntN(24))
}

func (g generator) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: g.key(), Value: g.value(), PrevKv: g.one(3)}
	switch g.IntN(12) {
	case 0, 1:
		r.Lease = g.leaseID()
	case 2:
		r.IgnoreLease = true
	case 3:
		r.IgnoreValue, r.Value = true, nil
	case 4:
		r.IgnoreValue, r.IgnoreLease = g.one(2), g.one(2)
		if !g.one(3) {
			r.Value = nil
		}
		if g.one(3) {
			r.Lease = g.leaseID()
		}
	}
	return r
}

func (g generator) deleteRange() *pb.DeleteRangeRequest {
	r := &pb.DeleteRangeRequest{Key: g.key(), PrevKv: g.one(2)}
	if g.one(3) {
		r.RangeEnd = g.end(r.Key)
	}
	return r
}

func (g generator) rangeRequest() *pb.RangeRequest {
	r := &pb.RangeRequest{Key: g.key()}
	if !g.one(4) {
		r.RangeEnd = g.end(r.Key)
	}
	if g.one(2) {
		r.Revision = g.revision()
	}
	if g.one(2) {
		r.Limit = pick(g, []int64{1, 2, 3, 100, -1, math.MaxInt64, math.MinInt64})
	}
	if g.one(3) {
		r.SortOrder = pb.RangeRequest_SortOrder(g.IntN(3))
		r.SortTarget = pb.RangeRequest_SortTarget(g.IntN(5))
		if g.one(20) {
			r.SortOrder = 7
		}
		if g.one(20) {
			r.SortTarget = 7
		}
	}
	r.KeysOnly, r.CountOnly = g.one(5), g.one(6)
	if g.one(4) {
		for _, bound := range []*int64{&r.MinModRevision, &r.MaxModRevision, &r.MinCreateRevision, &r.MaxCreateRevision} {
			if g.one(2) {
				*bound = g.revision()
			}
		}
	}
	r.Serializable = g.one(5)
	return r
}

func (g generator) lease() (request message) {
	switch g.IntN(8) {
	case 0, 1, 2:
		r := &pb.LeaseGrantRequest{ID: pick(g, leasesKnown), TTL: ttlMin + int64(g.IntN(5000))}
		switch g.IntN(8) {
		case 0:
			// Leases that could end by themselves, or whose id the store chooses, are revoked at once: only ID 0 may have such a time.
			r.ID, r.TTL = 0, pick(g, []int64{math.MinInt64, -1, 0, 1, 2, 60, ttlMin})
		case 1:
			r.TTL = pick(g, []int64{ttlMax, ttlMax + 1, math.MaxInt64})
		}
		return r
	case 3:
		return &pb.LeaseRevokeRequest{ID: g.leaseID()}
	case 4, 5:
		return &pb.LeaseTimeToLiveRequest{ID: g.leaseID(), Keys: g.one(2)}
	case 6:
		return &pb.LeaseLeasesRequest{}
	}
	return &pb.LeaseKeepAliveRequest{ID: g.leaseID()}
}

func (g generator) watch() *pb.WatchRequest {
	if g.one(4) {
		return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: g.watchID()}}}
	}
	r := &pb.WatchCreateRequest{Key: g.key(), PrevKv: g.one(2), Fragment: g.one(4), ProgressNotify: g.one(6)}
	if !g.one(3) {
		r.RangeEnd = g.end(r.Key)
	}
	if g.one(2) {
		r.StartRevision = g.revision()
	}
	if g.one(4) {
		for range 1 + g.IntN(2) {
			r.Filters = append(r.Filters, pb.WatchCreateRequest_FilterType(g.IntN(2)))
		}
	}
	if g.one(3) {
		r.WatchId = g.watchID()
	}
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}}
}

// watchID is one that a stream may have given, or may be asked for.
func (g generator) watchID() int64 { return int64(g.IntN(8)) }

// extreme makes requests at the ends of what is allowed.
func (g generator) extreme() message {
	switch g.IntN(8) {
	case 0:
		return &pb.PutRequest{Key: []byte("b"), Value: bytes.Repeat([]byte("v"), tooLarge)}
	case 1:
		return &pb.PutRequest{Key: []byte("b"), Value: bytes.Repeat([]byte("v"), tooLargeForGRPC)}
	case 2:
		return &pb.PutRequest{Key: []byte("b"), Value: bytes.Repeat([]byte("v"), valueLong)}
	case 3:
		return &pb.PutRequest{Key: bytes.Repeat([]byte("k"), keyLong), Value: g.value()}
	case 4:
		return &pb.TxnRequest{}
	case 5:
		return &pb.PutRequest{}
	}
	return g.crowd()
}
