package mvcc

import (
	"context"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

const (
	// MeasuredRowsMax is how many rows may be read for one transaction that writes: some 150 ms of a processor, in which no other write is
	// carried out.
	MeasuredRowsMax = 250_000
	// bytesARow is how many bytes of an answer count as much as a row that is read: 64 MiB are as much as may be read.
	bytesARow = (64 << 20) / MeasuredRowsMax
)

// Measured is what it takes to evaluate ranges where others wait for that.
type Measured struct {
	// Rows are those that are looked at, Bytes what the answers hold.
	Rows, Bytes int64
}

// Cost is both together, in rows.
func (m *Measured) Cost() int64 { return m.Rows + m.Bytes/bytesARow }

// Range adds what it takes to evaluate a range, as of now. It fails with errdefs.ErrTooLarge, without a further look, where it is too much.
func (m *Measured) Range(ctx context.Context, v *View, op *consensusv1.RangeOp) error {
	q := newQuery(op)
	if q.revision < v.floor {
		return nil // is refused
	}
	if op.GetCountOnly() && q.revision > v.revision {
		return m.add(count.BucketKeysMax, 0)
	}
	return v.Scan(ctx, q.span, q.revision, func(r *Row) (bool, error) {
		if q.fetch > 0 && q.seen == q.fetch {
			return false, m.add(count.BucketKeysMax, 0) // to count the rest
		}
		q.seen++
		bytes := 0
		if !op.GetCountOnly() && q.wanted(r) {
			bytes = keyValueBytes + q.bytes(r)
		}
		return true, m.add(1, bytes)
	})
}

// All adds a look at all keys of a span.
func (m *Measured) All(ctx context.Context, v *View, s Span) error {
	return v.Scan(ctx, s, NewestRevision, func(*Row) (bool, error) { return true, m.add(1, 0) })
}

func (m *Measured) add(rows, bytes int) error {
	m.Rows += int64(rows)
	m.Bytes += int64(bytes)
	if m.Cost() > MeasuredRowsMax {
		return fmt.Errorf("a transaction that writes reads more than %d keys, or %d bytes: %w", MeasuredRowsMax, MeasuredRowsMax*bytesARow, errdefs.ErrTooLarge)
	}
	return nil
}
