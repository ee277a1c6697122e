package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// committing is a batch that only commits.
type committing struct{ Batch }

func (committing) Commit() error { return nil }

// measured returns what is measured of one put, from its proposal to its answer.
func measured() func() {
	m := NewMetrics()
	timed, loop := &meter{metrics: m}, &raftLoop{metrics: m}
	command := &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{}}}
	b := &batch{times: batchTimes{begun: time.Now()}}
	b.proposals = []*Proposal{{command: command, kind: kindPut, submitted: time.Now(), batch: b}}
	out, nothing := &output{proposed: []*batch{b}}, Batch(committing{})
	return func() {
		loop.measure(out)
		m.sync.Observe(time.Since(b.times.begun).Seconds())
		timed.begin()
		timed.take(b.proposals)
		timed.command(command, nil)
		_ = timed.commit(nothing)
		timed.answered()
		m.Requested(kindPut, b.times.begun, nil)
	}
}

// Goal: what is measured on the way of a write costs no allocation. Method: all of it, without the write.
func TestMeasuringAllocatesNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, measured()))
}

// BenchmarkMeasuring is what all of it costs a put that is alone in its log entry: go test -bench Measuring ./internal/replication. A put takes some
// hundred microseconds with its sync.
func BenchmarkMeasuring(b *testing.B) {
	put := measured()
	b.ReportAllocs()
	for b.Loop() {
		put()
	}
}

// Goal: every kind of command has a name, and etcd's where etcd has it. Method: commands of all kinds.
func TestCommandsAreTold(t *testing.T) {
	for want, command := range map[string]*consensusv1.Command{
		"Put":                  {Command: &consensusv1.Command_Put{}},
		"DeleteRange":          {Command: &consensusv1.Command_DeleteRange{}},
		"Txn":                  {Command: &consensusv1.Command_Txn{}},
		"Compaction":           {Command: &consensusv1.Command_Compact{}},
		"LeaseGrant":           {Command: &consensusv1.Command_LeaseGrant{}},
		"LeaseRevoke":          {Command: &consensusv1.Command_LeaseRevoke{}},
		"LeaseCheckpoint":      {Command: &consensusv1.Command_LeaseCheckpoint{}},
		"LeaseAcquire":         {Command: &consensusv1.Command_LeaseAcquire{}},
		"Alarm":                {Command: &consensusv1.Command_Alarm{}},
		"ClusterMemberAttrSet": {Command: &consensusv1.Command_Publish{}},
		"Auth":                 {Command: &consensusv1.Command_Auth{}},
		"Tree":                 {Command: &consensusv1.Command_Tree{}},
		"Quota":                {Command: &consensusv1.Command_Quota{}},
	} {
		require.Equal(t, want, kindNames[kindOf(command)])
	}
}
