package mvcc

import (
	"encoding/binary"
	"sync"
)

// loadBatchBytes is how much goes to the writer of tables at a time, and loadBatchesMax how many such wait for it.
const loadBatchBytes, loadBatchesMax = 256 << 10, 4

// tableQueue is a tableWriter on a goroutine of its own, which encodes and compresses rows, so that who finds them does not wait for that. An error
// is returned by a later call, by close at the latest.
type tableQueue struct {
	w tableWriter
	// batch is gathered, and free are those that are used again.
	batch   *tableRows
	batches chan *tableRows
	free    chan *tableRows
	written sync.WaitGroup
	// close waits for what is being written. It may be called twice.
	close func() error
}

// tableRows are rows for the writer, each as two lengths of 4 bytes, key and value. Where cut is set a table ends behind them.
type tableRows struct {
	rows []byte
	cut  bool
}

func newTableQueue(t *tables) *tableQueue {
	q := &tableQueue{w: tableWriter{t: t}, batches: make(chan *tableRows, loadBatchesMax), free: make(chan *tableRows, loadBatchesMax+1)}
	q.written.Go(q.write)
	q.close = sync.OnceValue(func() error {
		close(q.batches)
		q.written.Wait()
		return t.err()
	})
	return q
}

// set adds a row.
func (q *tableQueue) set(key, value []byte) error {
	if q.batch != nil && len(q.batch.rows) >= loadBatchBytes {
		if err := q.send(false); err != nil {
			return err
		}
	}
	if q.batch == nil {
		select {
		case q.batch = <-q.free:
		default:
			q.batch = &tableRows{rows: make([]byte, 0, loadBatchBytes+loadBatchBytes/4)}
		}
	}
	rows := binary.LittleEndian.AppendUint32(q.batch.rows, uint32(len(key)))
	rows = binary.LittleEndian.AppendUint32(rows, uint32(len(value)))
	q.batch.rows = append(append(rows, key...), value...)
	return nil
}

// cut ends the table. The next row may be below the last one.
func (q *tableQueue) cut() error {
	if q.batch == nil {
		q.batch = &tableRows{}
	}
	return q.send(true)
}

func (q *tableQueue) send(cut bool) error {
	q.batch.cut = cut
	q.batches <- q.batch
	q.batch = nil
	return q.w.t.err()
}

// write is the writer: it ends behind the last batch.
func (q *tableQueue) write() {
	for b := range q.batches {
		if q.w.t.err() == nil {
			q.w.t.fail(q.writeRows(b))
		}
		if cap(b.rows) > 2*loadBatchBytes { // of a large value
			b.rows = nil
		}
		b.rows = b.rows[:0]
		select {
		case q.free <- b:
		default:
		}
	}
	q.w.t.fail(q.w.cut())
}

func (q *tableQueue) writeRows(b *tableRows) error {
	for rows := b.rows; len(rows) > 0; {
		keyBytes, valueBytes := binary.LittleEndian.Uint32(rows), binary.LittleEndian.Uint32(rows[4:])
		if err := q.w.set(rows[8:][:keyBytes], rows[8+keyBytes:][:valueBytes]); err != nil {
			return err
		}
		rows = rows[8+keyBytes+valueBytes:]
	}
	if b.cut {
		return q.w.cut()
	}
	return nil
}
