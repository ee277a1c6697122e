package watch

import (
	"context"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// fakeFeed is consensus in memory. Its first revision is 2, as in a new store.
type fakeFeed struct {
	mu struct {
		sync.Mutex
		commits   []*consensusv1.Commit
		newest    map[string]*mvccpb.KeyValue
		compacted int64
		grown     chan struct{} // closed and replaced with every commit
	}
}

const firstRevision = 2

func newFakeFeed() *fakeFeed {
	f := &fakeFeed{}
	f.mu.newest = make(map[string]*mvccpb.KeyValue)
	f.mu.grown = make(chan struct{})
	return f
}

// change is one key's part in a commit: a put, or a delete if value is empty.
type change struct{ key, value string }

// commit adds a revision and returns it. A delete of a key that does not exist is left out.
func (f *fakeFeed) commit(changes ...change) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	commit := &consensusv1.Commit{Revision: firstRevision + int64(len(f.mu.commits))}
	for _, c := range changes {
		prev := f.mu.newest[c.key]
		kv := &mvccpb.KeyValue{Key: []byte(c.key), ModRevision: commit.Revision}
		event := &consensusv1.Event{Kv: kv, PrevKv: prev}
		switch {
		case c.value != "":
			kv.Value, kv.Version, kv.CreateRevision = []byte(c.value), prev.GetVersion()+1, commit.Revision
			f.mu.newest[c.key] = kv
		case prev == nil:
			continue
		default:
			event.Type = consensusv1.Event_DELETE
			delete(f.mu.newest, c.key)
		}
		commit.Events = append(commit.Events, event)
	}
	f.mu.commits = append(f.mu.commits, commit)
	close(f.mu.grown)
	f.mu.grown = make(chan struct{})
	return commit.Revision
}

func (f *fakeFeed) compact(revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.compacted = revision
}

func (f *fakeFeed) revision() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revisionLocked()
}

func (f *fakeFeed) revisionLocked() int64 { return firstRevision - 1 + int64(len(f.mu.commits)) }

// from returns the commits from a revision on, and what to wait for to have more.
func (f *fakeFeed) from(revision int64) ([]*consensusv1.Commit, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if revision < f.mu.compacted {
		return nil, nil, fmt.Errorf("read from %d: %w", revision, errdefs.ErrCompacted)
	}
	at := min(max(0, revision-firstRevision), int64(len(f.mu.commits)))
	return f.mu.commits[at:], f.mu.grown, nil
}

func (f *fakeFeed) Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error {
	for next := req.FromRevision; ; {
		commits, grown, err := f.from(next)
		if err != nil {
			return err
		}
		if len(commits) > 0 {
			next = commits[len(commits)-1].Revision + 1
			if err := send(&consensusv1.TailResponse{Commits: commits, Head: next - 1}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		}
	}
}

func (f *fakeFeed) History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	commits, _, err := f.from(req.FromRevision)
	if err != nil {
		return nil, err
	}
	// Not of a moment later: what was committed in between is not among the commits.
	resp := &consensusv1.HistoryResponse{ThroughRevision: max(req.FromRevision-1, firstRevision-1)}
	if len(commits) > 0 {
		resp.ThroughRevision = commits[len(commits)-1].Revision
	}
	if req.ToRevision > 0 {
		resp.ThroughRevision = min(resp.ThroughRevision, req.ToRevision)
	}
	var bytes int64
	for _, commit := range commits {
		if commit.Revision > resp.ThroughRevision {
			break
		}
		found := &consensusv1.Commit{Revision: commit.Revision}
		for _, event := range commit.Events {
			if len(req.Key) == 0 || inRange(event.Kv.Key, req.Key, req.RangeEnd) {
				found.Events = append(found.Events, event)
				bytes += int64(len(event.Kv.Key) + len(event.Kv.Value) + len(event.PrevKv.GetValue()) + 50)
			}
		}
		if len(found.Events) > 0 {
			resp.Commits = append(resp.Commits, found)
		}
		if req.MaxBytes > 0 && bytes > req.MaxBytes {
			resp.ThroughRevision = commit.Revision
		}
	}
	return resp, ctx.Err()
}

func inRange(key, from, end []byte) bool {
	switch {
	case len(end) == 0:
		return string(key) == string(from)
	case string(end) == "\x00":
		return string(key) >= string(from)
	default:
		return string(key) >= string(from) && string(key) < string(end)
	}
}

func (f *fakeFeed) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{Revision: f.revision()}, nil
}

func (f *fakeFeed) Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &consensusv1.StatusResponse{Revision: f.revisionLocked(), CompactedRevision: f.mu.compacted}, nil
}

func (f *fakeFeed) history() []*consensusv1.Commit {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.commits
}
