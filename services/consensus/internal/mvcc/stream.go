package mvcc

import (
	"context"
	"errors"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// streamBytesDefault is how much a RangeStream puts in a chunk when its caller names no size.
const streamBytesDefault = 1 << 20

// RangeStream is Range in chunks of about so many bytes, so that memory does not grow with the range: all chunks are read
// from the revision that the first one was, and come in the order of keys. The last one has the count, and tells whether
// there is more; it may have no keys. Only what can be read in order can be streamed: a request that sorts or filters is
// answered in one chunk.
//
// Between two chunks nothing of a store is held: each may be read from another one that has the same history, and fails
// with errdefs.ErrCompacted when the revision is gone. It is for one goroutine.
type RangeStream struct {
	op         *consensusv1.RangeOp
	q          *query
	chunkBytes int
	head       int64
	done       bool

	// size is that of the chunk that is being read.
	size int
	full bool
}

// NewRangeStream begins a stream. The operation must not be changed until its end.
func NewRangeStream(op *consensusv1.RangeOp, chunkBytes int) *RangeStream {
	if chunkBytes <= 0 {
		chunkBytes = streamBytesDefault
	}
	return &RangeStream{op: op, q: newQuery(op), chunkBytes: chunkBytes}
}

// Done tells whether the last chunk was read.
func (st *RangeStream) Done() bool { return st.done }

// Head is the newest revision when the first chunk was read, which all are from unless the operation names one.
func (st *RangeStream) Head() int64 { return st.head }

// Next reads the next chunk, which is the caller's to keep. Its errors are Range's; the same chunk may be asked for again.
func (st *RangeStream) Next(ctx context.Context, s *Store) (chunk *consensusv1.RangeResult, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	revision := st.op.GetRevision()
	if st.head != 0 {
		revision = st.q.revision
	}
	if err := CheckRevision(v, revision); err != nil {
		return nil, err
	}
	if st.head == 0 {
		s.counters.Ranges.Add(1)
		st.head = v.revision
		st.q.revision = min(st.q.revision, v.revision)
	}
	if st.op.GetCountOnly() || st.q.filters() || st.q.sorts() {
		st.done = true
		return EvalRange(ctx, v, st.op)
	}
	return st.read(ctx, v)
}

// read takes rows until the chunk is full, or those of the range are all read.
func (st *RangeStream) read(ctx context.Context, v *View) (*consensusv1.RangeResult, error) {
	q := st.q
	seen := q.seen
	// A fresh slab, so that no chunk keeps another's memory alive.
	q.kvs, q.slab, st.size, st.full = nil, slab{}, 0, false
	if err := v.Scan(ctx, q.span, q.revision, st.take); err != nil {
		q.seen = seen
		return nil, err
	}
	chunk := &consensusv1.RangeResult{Kvs: q.kvs}
	if st.full {
		last := q.kvs[len(q.kvs)-1].GetKey()
		q.span.low = append(append(make([]byte, 0, len(last)+1), last...), 0)
		return chunk, nil
	}
	st.done = true
	chunk.Count = q.seen
	if q.cut {
		chunk.More = true
		count, err := v.Count(ctx, NewSpan(st.op.GetKey(), st.op.GetRangeEnd()), q.revision)
		if err != nil {
			q.seen, q.cut, st.done = seen, false, false
			return nil, err
		}
		chunk.Count = count
	}
	return chunk, nil
}

func (st *RangeStream) take(r *Row) (bool, error) {
	more, err := st.q.take(r)
	if err != nil || !more {
		return false, err
	}
	st.size += eventBytes + len(r.Key)
	if st.q.values {
		st.size += len(r.Value)
	}
	st.full = st.size >= st.chunkBytes && !st.q.span.single
	return !st.full, nil
}
