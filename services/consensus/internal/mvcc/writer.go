package mvcc

import "github.com/cockroachdb/pebble/v2"

// writer gathers the rows of a batch. Keys and values are built in its buffers, which keep their growth.
type writer struct {
	pb               *pebble.Batch
	keyBuf, valueBuf []byte
}

// set adds a row. The key was built in keyBuf.
func (w *writer) set(key, value []byte) {
	// A batch's Set fails only when the batch is committed already, which Begin rules out.
	_ = w.pb.Set(key, value, nil)
	w.keyBuf = key[:0]
}

func (w *writer) delete(key []byte) {
	_ = w.pb.Delete(key, nil)
	w.keyBuf = key[:0]
}

// setChange adds a line of history.
func (w *writer) setChange(revision, sub int64, c *change) {
	w.valueBuf = appendChange(w.valueBuf[:0], c)
	w.set(appendHistoryKey(w.keyBuf[:0], revision, sub), w.valueBuf)
}
