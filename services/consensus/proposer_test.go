package consensus

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// partners is a transport that reaches some members, since a time for each.
type partners struct {
	noPeers
	since map[uint64]time.Time
}

func (p partners) ActiveSince(id uint64) (time.Time, bool) {
	since, ok := p.since[id]
	return since, ok
}

// A proposal without an answer says what etcd would: that a leader failed, that a connection was lost, or neither.
func TestLateProposalSaysWhy(t *testing.T) {
	const self, second, third = 1, 2, 3
	began := time.Now()
	before, after := began.Add(-time.Minute), began.Add(time.Second)
	for name, c := range map[string]struct {
		leader    uint64
		elected   time.Time
		reachable map[uint64]time.Time
		want      error
	}{
		"a leader was elected meanwhile":          {second, began.Add(time.Millisecond), map[uint64]time.Time{second: before}, errdefs.ErrLeaderFailed},
		"there is still no leader":                {raft.None, before, nil, context.DeadlineExceeded},
		"the leader was reached all the time":     {second, before, map[uint64]time.Time{second: before}, context.DeadlineExceeded},
		"the leader was out of reach for a while": {second, before, map[uint64]time.Time{second: after}, errdefs.ErrConnectionLost},
		"the leader is out of reach":              {second, before, map[uint64]time.Time{third: before}, errdefs.ErrConnectionLost},
		"the member leads a majority":             {self, before, map[uint64]time.Time{third: before}, context.DeadlineExceeded},
		"the member leads nobody":                 {self, before, map[uint64]time.Time{third: after}, errdefs.ErrConnectionLost},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(vfs.NewMem())
			cfg.MemberID, cfg.Transport = self, partners{since: c.reachable}
			cfg.Members = []*consensusv1.Member{{Id: self}, {Id: second}, {Id: third}}
			m, err := New(cfg)
			require.NoError(t, err)
			defer m.Close()
			require.ErrorIs(t, m.proposer.late(began, c.elected, c.leader, context.DeadlineExceeded), c.want)
		})
	}
}
