// Package feed keeps the newest commits in memory for those who tail them. It does not read history: a reader that
// asks for a revision older than the feed holds is told so, and goes to the store.
package feed

import (
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Feed is a ring of commits in revision order, bounded by the memory they take. One goroutine announces, any number
// read; announcing never waits for a reader.
type Feed struct {
	bytesMax int64

	mu struct {
		sync.Mutex
		commits []*consensusv1.Commit // ascending, gapless
		bytes   int64
		head    int64         // the newest announced revision
		changed chan struct{} // closed by the next Announce; nil while nobody waits
	}
}

// New returns a feed whose next commit follows revision head. It holds at most bytesMax bytes of commits, and at
// least the newest one.
func New(head, bytesMax int64) *Feed {
	f := &Feed{bytesMax: bytesMax}
	f.mu.head = head
	return f
}

// Announce appends commits that follow, without a gap, those announced before. The feed owns them from now on.
func (f *Feed) Announce(commits []*consensusv1.Commit) {
	if len(commits) == 0 {
		return
	}
	var added int64
	for _, c := range commits {
		added += size(c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.commits = append(f.mu.commits, commits...)
	f.mu.bytes += added
	f.mu.head = commits[len(commits)-1].GetRevision()
	drop := 0
	for f.mu.bytes > f.bytesMax && drop < len(f.mu.commits)-1 {
		f.mu.bytes -= size(f.mu.commits[drop])
		f.mu.commits[drop] = nil // the array behind the ring lives on until append moves it
		drop++
	}
	f.mu.commits = f.mu.commits[drop:]
	f.wakeLocked()
}

func (f *Feed) wakeLocked() {
	if f.mu.changed != nil {
		close(f.mu.changed)
		f.mu.changed = nil
	}
}

// Reset lets the feed go on after revision head, as if all up to there had been announced and dropped again.
func (f *Feed) Reset(head int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.commits, f.mu.bytes, f.mu.head = nil, 0, head
	f.wakeLocked()
}

// Head returns the newest announced revision.
func (f *Feed) Head() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.head
}

// Bytes returns what the commits take that it holds.
func (f *Feed) Bytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.bytes
}

// Oldest returns the first revision that Since can start from.
func (f *Feed) Oldest() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.oldestLocked()
}

func (f *Feed) oldestLocked() int64 {
	if len(f.mu.commits) == 0 {
		return f.mu.head + 1
	}
	return f.mu.commits[0].GetRevision()
}

// Since returns commits from revision from on, at least one and beyond that at most about bytesMax bytes of them;
// the caller must not change them. Where from is older than what the feed holds, ok is false. Where nothing has
// happened since, it returns none, and a channel that is closed when something has.
func (f *Feed) Since(from, bytesMax int64) (commits []*consensusv1.Commit, changed <-chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if from > f.mu.head {
		if f.mu.changed == nil {
			f.mu.changed = make(chan struct{})
		}
		return nil, f.mu.changed, true
	}
	oldest := f.oldestLocked()
	if from < oldest {
		return nil, nil, false
	}
	rest := f.mu.commits[from-oldest:]
	var bytes int64
	n := 0
	for n < len(rest) && (n == 0 || bytes < bytesMax) {
		bytes += size(rest[n])
		n++
	}
	return append([]*consensusv1.Commit(nil), rest[:n]...), nil, true
}

// What the structures of a commit, and of an event with its key-values, take beside their bytes: a small put holds some
// five hundred bytes in memory, whatever its message has.
const commitBytes, eventBytes = 128, 384

// size is about how many bytes of memory a commit takes. It is asked three times for each.
func size(c *consensusv1.Commit) int64 {
	bytes := commitBytes
	for _, event := range c.GetEvents() {
		bytes += eventBytes + heldBy(event.GetKv()) + heldBy(event.GetPrevKv())
	}
	if tree := c.GetTree(); tree != nil {
		bytes += proto.Size(tree)
	}
	return int64(bytes)
}

func heldBy(kv *mvccpb.KeyValue) int { return len(kv.GetKey()) + len(kv.GetValue()) }
