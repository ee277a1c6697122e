package mvcc

import (
	"context"
	"errors"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// streamBytesDefault is how much RangeStream puts in a chunk when its caller names no size.
const streamBytesDefault = 1 << 20

// RangeStream is Range in chunks of about chunkBytes, so that memory does not grow with the range: all chunks are read
// from one revision, and come in the order of keys. The last one has the count, and tells whether there is more; it may
// have no keys. Only what can be read in order can be streamed: a request that sorts or filters is answered in one chunk.
//
// A chunk is send's to keep. An error of send's ends the stream and is returned.
func (s *Store) RangeStream(ctx context.Context, op *consensusv1.RangeOp, chunkBytes int, send func(*consensusv1.RangeResult) error) (head int64, err error) {
	s.counters.ranges.Add(1)
	v, err := s.view(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	if err := checkRevision(v, op.GetRevision()); err != nil {
		return v.revision, err
	}
	q := newQuery(op)
	if op.GetCountOnly() || q.filters() || q.sorts() {
		res, err := evalRange(ctx, v, op)
		if err != nil {
			return v.revision, err
		}
		return v.revision, send(res)
	}
	if chunkBytes <= 0 {
		chunkBytes = streamBytesDefault
	}
	st := streamer{q: q, chunkBytes: chunkBytes, send: send}
	if err := v.scan(ctx, q.span, q.revision, st.take); err != nil {
		return v.revision, err
	}
	last := &consensusv1.RangeResult{Kvs: q.kvs, Count: q.seen}
	if q.cut {
		last.More = true
		if last.Count, err = v.count(ctx, q.span, q.revision); err != nil {
			return v.revision, err
		}
	}
	return v.revision, send(last)
}

// streamer sends what a query takes, each time that it is enough.
type streamer struct {
	q          *query
	chunkBytes int
	size       int
	send       func(*consensusv1.RangeResult) error
}

func (st *streamer) take(r *row) (bool, error) {
	more, err := st.q.take(r)
	if err != nil || !more {
		return false, err
	}
	st.size += eventBytes + len(r.key)
	if st.q.values {
		st.size += len(r.value)
	}
	if st.size < st.chunkBytes {
		return true, nil
	}
	chunk := &consensusv1.RangeResult{Kvs: st.q.kvs}
	// A fresh slab, so that no chunk keeps another's memory alive.
	st.q.kvs, st.q.slab, st.size = nil, slab{}, 0
	return true, st.send(chunk)
}
