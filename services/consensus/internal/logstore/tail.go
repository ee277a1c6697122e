package logstore

import "go.etcd.io/raft/v3/raftpb"

// tail holds the newest entries of the log, without holes, as far back as TailBytesMax reaches. Entries are shared
// with whoever appended or read them, and never change.
type tail struct {
	entries []*raftpb.Entry
	bytes   int
}

func entryBytes(e *raftpb.Entry) int { return len(e.GetData()) + entryOverheadBytes }

// put replaces everything from the first given entry on. The entries continue the tail or overlap it; if they do
// neither, what was held is of no use and goes.
func (t *tail) put(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	if len(t.entries) > 0 && first > t.last()+1 {
		t.clear()
	}
	t.cutFrom(first)
	for _, e := range entries {
		t.bytes += entryBytes(e)
	}
	t.entries = append(t.entries, entries...)
	t.shrink()
}

// shrink drops the oldest entries beyond the limit, but never the newest one: its term is asked for all the time.
func (t *tail) shrink() {
	n := 0
	for t.bytes > TailBytesMax && n < len(t.entries)-1 {
		t.bytes -= entryBytes(t.entries[n])
		n++
	}
	t.dropFront(n)
}

// cutFrom drops the entries at index and above.
func (t *tail) cutFrom(index uint64) {
	for len(t.entries) > 0 && t.last() >= index {
		n := len(t.entries) - 1
		t.bytes -= entryBytes(t.entries[n])
		t.entries[n] = nil
		t.entries = t.entries[:n]
	}
}

// cutTo drops the entries at index and below.
func (t *tail) cutTo(index uint64) {
	n := 0
	for n < len(t.entries) && t.entries[n].GetIndex() <= index {
		t.bytes -= entryBytes(t.entries[n])
		n++
	}
	t.dropFront(n)
}

// dropFront forgets n entries whose bytes are already subtracted. The cleared pointers let the entries go although the
// array behind the slice stays until append moves it.
func (t *tail) dropFront(n int) {
	clear(t.entries[:n])
	t.entries = t.entries[n:]
}

func (t *tail) clear() { *t = tail{} }

func (t *tail) last() uint64 { return t.entries[len(t.entries)-1].GetIndex() }

// has says whether the entry at index is held.
func (t *tail) has(index uint64) bool {
	return len(t.entries) > 0 && index >= t.entries[0].GetIndex() && index <= t.last()
}

// from returns the held entries [lo, hi) as a view into the tail; lo must be held.
func (t *tail) from(lo, hi uint64) []*raftpb.Entry {
	offset := t.entries[0].GetIndex()
	return t.entries[lo-offset : min(hi-offset, uint64(len(t.entries)))]
}
