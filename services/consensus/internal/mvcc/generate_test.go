package mvcc

import (
	"math"
	"math/rand/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// generator makes random commands over few keys, leases and values, so that they meet.
type generator struct {
	*rand.Rand
	m *model
}

// alphabet has the bytes that encodings trip over.
var alphabet = []byte{0x00, 0x01, 0x09, 'a', 'b', 0xfe, 0xff}

func (g *generator) key() []byte {
	key := make([]byte, 1+g.IntN(3))
	for i := range key {
		key[i] = alphabet[g.IntN(len(alphabet))]
	}
	return key
}

func (g *generator) end() []byte {
	switch g.IntN(4) {
	case 0:
		return []byte{0}
	case 1:
		return g.key()
	}
	return nil
}

func (g *generator) value() []byte {
	if g.IntN(8) == 0 {
		return nil
	}
	return alphabet[:1+g.IntN(len(alphabet))]
}

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

// lease is an id as clients choose them, which may be negative.
func (g *generator) lease() int64 { return []int64{1, 2, 3, -1, math.MinInt64}[g.IntN(5)] }

// revision is mostly one that can be read.
func (g *generator) revision() int64 {
	if g.one(3) {
		return 0
	}
	return max(0, g.m.compacted-1+int64(g.IntN(int(g.m.revision()-g.m.compacted)+3)))
}

func (g *generator) epoch() uint64 {
	if g.one(2) {
		return 0
	}
	return max(0, g.m.epoch-uint64(min(g.m.epoch, uint64(g.IntN(4)/3))))
}

func (g *generator) put() *consensusv1.PutOp {
	op := &consensusv1.PutOp{Key: g.key(), Value: g.value(), PrevKv: g.one(2)}
	switch g.IntN(8) {
	case 0, 1:
		op.Lease = g.lease()
	case 2:
		op.IgnoreLease = true
	case 3:
		op.IgnoreValue, op.Value = true, nil
	}
	return op
}

func (g *generator) deleteRange() *consensusv1.DeleteRangeOp {
	op := &consensusv1.DeleteRangeOp{Key: g.key(), RangeEnd: g.end(), PrevKv: g.one(2)}
	if len(op.GetRangeEnd()) == 1 && op.GetRangeEnd()[0] == 0 && !g.one(8) {
		op.RangeEnd = nil
	}
	return op
}

func (g *generator) rangeOp() *consensusv1.RangeOp {
	op := &consensusv1.RangeOp{Key: g.key(), RangeEnd: g.end(), Revision: g.revision()}
	if g.one(2) {
		op.Limit = int64(g.IntN(7) - 1)
	}
	if g.one(2) {
		op.SortOrder = consensusv1.RangeOp_SortOrder(g.IntN(3))
		op.SortTarget = consensusv1.RangeOp_SortTarget(g.IntN(5))
	}
	op.KeysOnly, op.CountOnly = g.one(5), g.one(5)
	if g.one(5) {
		filters := []*int64{&op.MinModRevision, &op.MaxModRevision, &op.MinCreateRevision, &op.MaxCreateRevision}
		*filters[g.IntN(4)] = g.revision()
	}
	return op
}

func (g *generator) compare() *consensusv1.Compare {
	c := &consensusv1.Compare{Key: g.key(), Relation: consensusv1.Compare_Relation(1 + g.IntN(4))}
	if g.one(4) {
		c.RangeEnd = g.end()
	}
	switch g.IntN(5) {
	case 0:
		c.Target = &consensusv1.Compare_Version{Version: int64(g.IntN(3))}
	case 1:
		c.Target = &consensusv1.Compare_CreateRevision{CreateRevision: g.revision()}
	case 2:
		c.Target = &consensusv1.Compare_ModRevision{ModRevision: g.revision()}
	case 3:
		c.Target = &consensusv1.Compare_Value{Value: g.value()}
	case 4:
		c.Target = &consensusv1.Compare_Lease{Lease: g.lease() * int64(g.IntN(2))}
	}
	return c
}

func (g *generator) txn(depth int, writes bool) *consensusv1.TxnOp {
	op := &consensusv1.TxnOp{}
	for range g.IntN(3) {
		op.Compare = append(op.Compare, g.compare())
	}
	for _, ops := range []*[]*consensusv1.Op{&op.Success, &op.Failure} {
		for range g.IntN(5) {
			*ops = append(*ops, g.op(depth, writes))
		}
	}
	return op
}

func (g *generator) op(depth int, writes bool) *consensusv1.Op {
	switch n := g.IntN(8); {
	case n == 0 && depth > 0:
		return &consensusv1.Op{Op: &consensusv1.Op_Txn{Txn: g.txn(depth-1, writes)}}
	case n <= 4 && writes:
		return &consensusv1.Op{Op: &consensusv1.Op_Put{Put: g.put()}}
	case n <= 5 && writes:
		return &consensusv1.Op{Op: &consensusv1.Op_DeleteRange{DeleteRange: g.deleteRange()}}
	}
	return &consensusv1.Op{Op: &consensusv1.Op_Range{Range: g.rangeOp()}}
}

func (g *generator) command() *consensusv1.Command {
	if len(g.m.alarms) > 0 && g.one(3) {
		// Alarms stop nearly everything, so they do not stay for long.
		return &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Disarm: true, Alarm: g.alarm(3)}}}
	}
	switch n := g.IntN(100); {
	case n < 50:
		return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: g.put()}}
	case n < 60:
		return &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: g.deleteRange()}}
	case n < 80:
		return &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: g.txn(2, true)}}
	case n < 83:
		return &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: g.revision()}}}
	case n < 90:
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: g.lease(), Ttl: int64(1 + g.IntN(100)), Epoch: uint64(g.IntN(2)) * g.epoch()}}}
	case n < 94:
		op := &consensusv1.LeaseRevokeOp{Epoch: g.epoch(), Fence: uint64(g.IntN(2)) * g.epoch()}
		for i := range 5 {
			if g.one(3) {
				op.Ids = append(op.Ids, g.lease(), int64(i+1))
			}
		}
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: op}}
	case n < 96:
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: "h"}}}
	case n < 98:
		op := &consensusv1.LeaseCheckpointOp{Epoch: g.epoch()}
		op.Leases = []*consensusv1.LeaseCheckpointOp_Remaining{{Id: g.lease(), Ttl: int64(g.IntN(50))}}
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseCheckpoint{LeaseCheckpoint: op}}
	}
	return &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Disarm: g.one(2), Alarm: g.alarm(3)}}}
}

func (g *generator) alarm(members int) *consensusv1.Alarm {
	return &consensusv1.Alarm{MemberId: uint64(g.IntN(members)), Type: consensusv1.Alarm_Type(g.IntN(3))}
}
