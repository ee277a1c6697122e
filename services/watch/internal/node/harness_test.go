package node

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
	"github.com/stretchr/testify/require"
)

// history is consensus: commits from revision 1 on. A test changes it only while everything else is blocked.
type history struct {
	commits   []*consensusv1.Commit
	compacted int64
	requests  []*consensusv1.HistoryRequest
	// fail, if set, may fail a read.
	fail func() error
	// partEvents is how many events of a commit come in a part, 0 for all.
	partEvents int64
}

func (h *history) History(_ context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	h.requests = append(h.requests, req)
	if h.fail != nil {
		if err := h.fail(); err != nil {
			return nil, err
		}
	}
	if req.FromRevision < h.compacted {
		return nil, fmt.Errorf("history: %w", errdefs.ErrCompacted)
	}
	if h.partEvents > 0 && req.Parts {
		return h.part(req)
	}
	through := int64(len(h.commits))
	if req.ToRevision > 0 {
		through = min(req.ToRevision, through)
	}
	for revision, bytes := req.FromRevision, int64(0); revision <= through && req.MaxBytes > 0; revision++ {
		if bytes += int64(memorysize.Commit(h.commits[revision-1])); bytes >= req.MaxBytes {
			through = revision
		}
	}
	resp := &consensusv1.HistoryResponse{ThroughRevision: through}
	if req.FromRevision <= through {
		resp.Commits = h.commits[req.FromRevision-1 : through] // not filtered: the caller has to cope
	}
	return resp, nil
}

// part answers with a part of the first commit.
func (h *history) part(req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	commit := h.commits[req.FromRevision-1]
	end := min(req.FromSub+h.partEvents, int64(len(commit.Events)))
	resp := &consensusv1.HistoryResponse{ThroughRevision: req.FromRevision, Commits: []*consensusv1.Commit{
		{Revision: commit.Revision, Events: commit.Events[req.FromSub:end]},
	}}
	if end < int64(len(commit.Events)) {
		resp.NextSub, resp.ThroughRevision = end, req.FromRevision-1
	}
	return resp, nil
}

func (h *history) Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	return &consensusv1.StatusResponse{CompactedRevision: h.compacted}, nil
}

// harness is a node in a synctest bubble, with its history and its source.
type harness struct {
	*testing.T
	node    *Node
	history *history
	source  *broadcast.Local
	stop    func()
}

// bubble runs a test with a node at the end of a history of so many revisions.
func bubble(t *testing.T, revisions int, change func(*Config), test func(h *harness)) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{T: t, history: &history{}, source: broadcast.NewLocal(1 << 20)}
		for range revisions {
			h.append("a")
		}
		cfg := Config{
			Logger:               slog.New(slog.DiscardHandler),
			History:              h.history,
			ProgressInterval:     time.Minute,
			RingBytesMax:         1 << 20,
			SessionDeliveriesMax: 3,
			SessionBytesMax:      1 << 20,
			DeliveryBytesMax:     1 << 20,
			ReadsMax:             2,
		}
		if change != nil {
			change(&cfg)
		}
		h.node = New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.node.Run(ctx, h.source, int64(revisions)) }()
		synctest.Wait()
		h.stop = func() {
			cancel()
			synctest.Wait()
		}
		test(h)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// append adds a revision that puts these keys. A second put of a key has the first as its previous version.
func (h *harness) append(keys ...string) *consensusv1.Commit {
	commit := &consensusv1.Commit{Revision: int64(len(h.history.commits)) + 1}
	for _, key := range keys {
		event := &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: commit.Revision}}
		if len(h.history.commits) > 0 {
			event.PrevKv = &mvccpb.KeyValue{Key: []byte(key), ModRevision: commit.Revision - 1}
		}
		commit.Events = append(commit.Events, event)
	}
	h.history.commits = append(h.history.commits, commit)
	return commit
}

// put appends a revision and broadcasts it.
func (h *harness) put(keys ...string) int64 {
	commit := h.append(keys...)
	h.send(&broadcast.Message{Follows: commit.Revision - 1, Through: commit.Revision, Commits: []*consensusv1.Commit{commit}})
	return commit.Revision
}

// send broadcasts a message and waits until it is dealt with, or waits for the end of a pause.
func (h *harness) send(m *broadcast.Message) {
	_, err := h.source.Publish(m)
	require.NoError(h, err)
	synctest.Wait()
}

func (h *harness) open(watches ...*watchv1.Watch) *Session {
	s := h.node.Open()
	for _, w := range watches {
		require.NoError(h, s.Add(w))
	}
	return s
}

// next returns the session's next delivery, and fails if there is none.
func (h *harness) next(s *Session) *delivery.Delivery {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), time.Second)
	defer cancel()
	d, err := s.Next(ctx)
	require.NoError(h, err)
	return d
}

// nothing fails if the session has a delivery.
func (h *harness) nothing(s *Session) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), time.Second)
	defer cancel()
	d, err := s.Next(ctx)
	require.ErrorIs(h, err, context.DeadlineExceeded, "%v", d)
}

// watchers is how many watches the node has, behind how many of them are not live.
func (n *Node) watchers() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.table.Len()
}

func (h *harness) behind() int {
	h.node.mu.Lock()
	defer h.node.mu.Unlock()
	return h.node.mu.table.Behind()
}

// revisions returns the revisions of a delivery's events.
func revisions(d *delivery.Delivery) []int64 {
	var found []int64
	for _, event := range d.Batch.Events() {
		found = append(found, event.Kv.ModRevision)
	}
	return found
}

// watchOf watches one key.
func watchOf(id int64, key string, from int64) *watchv1.Watch {
	return &watchv1.Watch{Id: id, Key: []byte(key), StartRevision: from}
}
