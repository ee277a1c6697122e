package lease

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// store is a replicated store in memory, which does with leases what the consensus service must.
type store struct {
	mu struct {
		sync.Mutex
		hooks
		leases map[int64]*consensusv1.Lease
		keys   map[int64][][]byte
		epoch  uint64
		// log counts the commands that took effect, revision those of them that changed keys.
		log      []*consensusv1.Command
		revision int64
		reads    int
	}
}

// hooks let a test interfere. Each may be nil.
type hooks struct {
	// before is called with each command before it takes effect, and after once it has; either may wait, or fail the
	// proposal.
	before, after func(context.Context, *command) error
	// applied is told of each command that takes effect, under the lock.
	applied func(*command)
	// listed is called after leases were read, and before the list is answered.
	listed func()
}

// set changes hooks.
func (f *store) set(change func(*hooks)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.mu.hooks)
}

func (f *store) hooks() hooks {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.hooks
}

func newStore() *store {
	f := &store{}
	f.mu.leases = map[int64]*consensusv1.Lease{}
	f.mu.keys = map[int64][][]byte{}
	f.mu.revision = 1
	return f
}

func (f *store) Propose(ctx context.Context, req *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	if before := f.hooks().before; before != nil {
		if err := before(ctx, req.Command); err != nil {
			return nil, err
		}
	}
	result, err := f.apply(req.Command)
	if err != nil {
		return nil, fmt.Errorf("fake store: %w", err)
	}
	if after := f.hooks().after; after != nil {
		if err := after(ctx, req.Command); err != nil {
			return nil, err
		}
	}
	return &consensusv1.ProposeResponse{Result: result}, nil
}

func (f *store) apply(c *consensusv1.Command) (*consensusv1.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	result := &consensusv1.Result{}
	switch c := c.Command.(type) {
	case *consensusv1.Command_LeaseGrant:
		if e := c.LeaseGrant.Epoch; e != 0 && e != f.mu.epoch {
			return nil, errdefs.ErrStaleEpoch
		}
		if f.mu.leases[c.LeaseGrant.Id] != nil {
			return nil, errdefs.ErrLeaseExists
		}
		f.mu.leases[c.LeaseGrant.Id] = &consensusv1.Lease{Id: c.LeaseGrant.Id, GrantedTtl: c.LeaseGrant.Ttl}
	case *consensusv1.Command_LeaseRevoke:
		revoked, err := f.revokeLocked(c.LeaseRevoke)
		if err != nil {
			return nil, err
		}
		result.Result = &consensusv1.Result_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeResult{Revoked: revoked}}
	case *consensusv1.Command_LeaseAcquire:
		f.mu.epoch++
		result.Result = &consensusv1.Result_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireResult{Epoch: f.mu.epoch}}
	case *consensusv1.Command_LeaseCheckpoint:
		if c.LeaseCheckpoint.Epoch != f.mu.epoch {
			return nil, errdefs.ErrStaleEpoch
		}
		for _, r := range c.LeaseCheckpoint.Leases {
			if l := f.mu.leases[r.Id]; l != nil {
				f.mu.leases[r.Id] = &consensusv1.Lease{Id: l.Id, GrantedTtl: l.GrantedTtl, RemainingTtl: r.Ttl}
			}
		}
	default:
		return nil, fmt.Errorf("unexpected command %T", c)
	}
	if f.mu.applied != nil {
		f.mu.applied(c)
	}
	f.mu.log = append(f.mu.log, c)
	result.Revision = f.mu.revision
	return result, nil
}

func (f *store) revokeLocked(op *consensusv1.LeaseRevokeOp) (revoked []int64, err error) {
	for _, epoch := range []uint64{op.Epoch, op.Fence} {
		if epoch != 0 && epoch != f.mu.epoch {
			return nil, errdefs.ErrStaleEpoch
		}
	}
	deleted := false
	for _, id := range op.Ids {
		if f.mu.leases[id] == nil {
			if op.Epoch == 0 {
				return nil, errdefs.ErrLeaseNotFound
			}
			continue
		}
		deleted = deleted || len(f.mu.keys[id]) > 0
		delete(f.mu.leases, id)
		delete(f.mu.keys, id)
		revoked = append(revoked, id)
	}
	if deleted {
		f.mu.revision++
	}
	return revoked, nil
}

func (f *store) ReadIndex(ctx context.Context, _ *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.reads++
	return &consensusv1.ReadIndexResponse{Revision: f.mu.revision, LeaseEpoch: f.mu.epoch}, ctx.Err()
}

func (f *store) Leases(ctx context.Context, _ *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error) {
	f.mu.Lock()
	list := slices.Collect(maps.Values(f.mu.leases))
	f.mu.Unlock()
	if listed := f.hooks().listed; listed != nil {
		listed()
	}
	return &consensusv1.LeasesResponse{Leases: list}, ctx.Err()
}

func (f *store) LeaseKeys(ctx context.Context, req *consensusv1.LeaseKeysRequest) (*consensusv1.LeaseKeysResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.leases[req.Id] == nil {
		return nil, errdefs.ErrLeaseNotFound
	}
	return &consensusv1.LeaseKeysResponse{Keys: f.mu.keys[req.Id]}, ctx.Err()
}

func (f *store) attach(id int64, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.keys[id] = append(f.mu.keys[id], []byte(key))
}

func (f *store) exists(id int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.leases[id] != nil
}

func (f *store) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.leases)
}

// entries counts the log's commands that are of interest.
func (f *store) entries(wanted func(*consensusv1.Command) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.mu.log {
		if wanted(c) {
			n++
		}
	}
	return n
}

type (
	command           = consensusv1.Command
	proposeRequest    = consensusv1.ProposeRequest
	proposeResponse   = consensusv1.ProposeResponse
	readIndexRequest  = consensusv1.ReadIndexRequest
	readIndexResponse = consensusv1.ReadIndexResponse
)

func grantCommand(id, ttl int64) *command {
	return &command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: id, Ttl: ttl}}}
}

func revokeCommand(epoch uint64, ids ...int64) *command {
	return &command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: ids, Epoch: epoch}}}
}

func isRevoke(c *command) bool     { return c.GetLeaseRevoke() != nil }
func isCheckpoint(c *command) bool { return c.GetLeaseCheckpoint() != nil }
func isAcquire(c *command) bool    { return c.GetLeaseAcquire() != nil }

// run starts a service on the store and returns it with a function that stops it.
func run(t *testing.T, f *store, change func(*Config)) (s *Service, stop func()) {
	t.Helper()
	cfg := Config{Consensus: f, Holder: "test", MinTTL: 2}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return s, stop
}

func grant(t *testing.T, s *Service, id, ttl int64) int64 {
	t.Helper()
	resp, err := s.Grant(t.Context(), &leasev1.GrantRequest{Id: id, Ttl: ttl})
	require.NoError(t, err)
	return resp.Id
}

// keepAlive renews leases and returns what was promised.
func keepAlive(t *testing.T, s *Service, ids ...int64) []int64 {
	t.Helper()
	resp, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: ids})
	require.NoError(t, err)
	return resp.Ttls
}

func timeToLive(t *testing.T, s *Service, id int64) int64 {
	t.Helper()
	resp, err := s.TimeToLive(t.Context(), &leasev1.TimeToLiveRequest{Id: id})
	require.NoError(t, err)
	return resp.Ttl
}

// elapse lets time pass in the test's bubble, and everything that is due happen.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
