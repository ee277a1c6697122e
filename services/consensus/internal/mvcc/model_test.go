package mvcc

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// model is the naive store that the real one must agree with: it keeps a whole copy of the keys for each revision.
type model struct {
	modelState
	// states holds the keys at each revision, and commits what made it; both begin with revision 0.
	states  []map[string]*mvccpb.KeyValue
	commits []*consensusv1.Commit

	// draft is the state that the command at hand makes, drafted its events, and tree what it means to the tree.
	draft   map[string]*mvccpb.KeyValue
	drafted []*consensusv1.Event
	tree    *consensusv1.TreeChange
}

// modelState is what commands change besides keys.
type modelState struct {
	compacted int64
	epoch     uint64
	leases    map[int64]*consensusv1.Lease
	alarms    []*consensusv1.Alarm
}

func newModel() *model {
	empty := map[string]*mvccpb.KeyValue{}
	return &model{
		modelState: modelState{leases: map[int64]*consensusv1.Lease{}},
		states:     []map[string]*mvccpb.KeyValue{empty, empty},
		commits:    make([]*consensusv1.Commit, 2),
	}
}

// clone returns a model that can be changed without changing m.
func (m *model) clone() *model {
	c := *m
	c.leases, c.alarms = maps.Clone(m.leases), slices.Clone(m.alarms)
	c.states, c.commits = slices.Clip(m.states), slices.Clip(m.commits)
	return &c
}

func (m *model) revision() int64 { return int64(len(m.states) - 1) }

// keys returns the live keys of a range in order.
func (m *model) keys(state map[string]*mvccpb.KeyValue, key, end []byte) []string {
	in := func(k string) bool {
		switch {
		case len(end) == 0:
			return k == string(key)
		case bytes.Equal(end, []byte{0}):
			return k >= string(key)
		}
		return k >= string(key) && k < string(end)
	}
	var keys []string
	for k := range state {
		if in(k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (m *model) apply(cmd *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	m.draft, m.drafted, m.tree = maps.Clone(m.states[m.revision()]), nil, nil
	res, err := m.command(cmd)
	if err != nil {
		return nil, nil, err
	}
	var commit *consensusv1.Commit
	if len(m.drafted) > 0 {
		commit = &consensusv1.Commit{Revision: m.revision() + 1, Events: m.drafted, Tree: m.tree}
		m.states, m.commits = append(m.states, m.draft), append(m.commits, commit)
	}
	res.Revision = m.revision()
	return res, commit, nil
}

func (m *model) raised(kind consensusv1.Alarm_Type) bool {
	return slices.ContainsFunc(m.alarms, func(a *consensusv1.Alarm) bool { return a.GetType() == kind })
}

func (m *model) command(cmd *consensusv1.Command) (*consensusv1.Result, error) {
	if c := cmd.GetAlarm(); c != nil {
		return &consensusv1.Result{Result: &consensusv1.Result_Alarm{Alarm: m.alarm(c)}}, nil
	}
	if slices.ContainsFunc(m.alarms, func(a *consensusv1.Alarm) bool {
		return a.GetType() == consensusv1.Alarm_TYPE_CORRUPT && a.GetMemberId() == 0
	}) {
		return nil, errdefs.ErrCorrupt
	}
	switch c := cmd.GetCommand().(type) {
	case *consensusv1.Command_Put:
		if m.raised(consensusv1.Alarm_TYPE_NOSPACE) {
			return nil, errdefs.ErrNoSpace
		}
		if c.Put.GetLease() != 0 && m.leases[c.Put.GetLease()] == nil {
			return nil, errdefs.ErrLeaseNotFound
		}
		if (c.Put.GetIgnoreLease() || c.Put.GetIgnoreValue()) && m.draft[string(c.Put.GetKey())] == nil {
			return nil, errdefs.ErrKeyNotFound
		}
		return &consensusv1.Result{Result: &consensusv1.Result_Put{Put: m.put(c.Put)}}, nil
	case *consensusv1.Command_DeleteRange:
		return &consensusv1.Result{Result: &consensusv1.Result_DeleteRange{DeleteRange: m.deleteRange(c.DeleteRange)}}, nil
	case *consensusv1.Command_Txn:
		if err := m.check(c.Txn); err != nil {
			return nil, err
		}
		return &consensusv1.Result{Result: &consensusv1.Result_Txn{Txn: m.txn(c.Txn)}}, nil
	case *consensusv1.Command_Compact:
		if c.Compact.GetRevision() > m.revision() {
			return nil, errdefs.ErrFutureRevision
		}
		if c.Compact.GetRevision() <= m.compacted {
			return nil, errdefs.ErrCompacted
		}
		m.compacted = c.Compact.GetRevision()
		return &consensusv1.Result{Result: &consensusv1.Result_Compact{Compact: &consensusv1.CompactResult{}}}, nil
	case *consensusv1.Command_LeaseGrant:
		if m.raised(consensusv1.Alarm_TYPE_NOSPACE) {
			return nil, errdefs.ErrNoSpace
		}
		if c.LeaseGrant.GetEpoch() != 0 && c.LeaseGrant.GetEpoch() != m.epoch {
			return nil, errdefs.ErrStaleEpoch
		}
		if m.leases[c.LeaseGrant.GetId()] != nil {
			return nil, errdefs.ErrLeaseExists
		}
		m.leases[c.LeaseGrant.GetId()] = &consensusv1.Lease{Id: c.LeaseGrant.GetId(), GrantedTtl: c.LeaseGrant.GetTtl()}
		return &consensusv1.Result{Result: &consensusv1.Result_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantResult{}}}, nil
	case *consensusv1.Command_LeaseRevoke:
		return m.revoke(c.LeaseRevoke)
	case *consensusv1.Command_LeaseAcquire:
		m.epoch++
		return &consensusv1.Result{Result: &consensusv1.Result_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireResult{Epoch: m.epoch}}}, nil
	case *consensusv1.Command_LeaseCheckpoint:
		if c.LeaseCheckpoint.GetEpoch() != 0 && c.LeaseCheckpoint.GetEpoch() != m.epoch {
			return nil, errdefs.ErrStaleEpoch
		}
		for _, r := range c.LeaseCheckpoint.GetLeases() {
			if l := m.leases[r.GetId()]; l != nil {
				m.leases[r.GetId()] = &consensusv1.Lease{Id: r.GetId(), GrantedTtl: l.GetGrantedTtl(), RemainingTtl: r.GetTtl()}
			}
		}
		return &consensusv1.Result{Result: &consensusv1.Result_LeaseCheckpoint{LeaseCheckpoint: &consensusv1.LeaseCheckpointResult{}}}, nil
	}
	panic("unknown command")
}

// change drafts an event. What it replaced is what was there before the revision, however often that writes the key; a put of
// a key that the revision deleted replaces nothing.
func (m *model) change(e *consensusv1.Event) {
	key := string(e.GetKv().GetKey())
	again := slices.ContainsFunc(m.drafted, func(old *consensusv1.Event) bool { return string(old.GetKv().GetKey()) == key })
	if again {
		e.PrevKv = m.states[m.revision()][key]
		if e.GetType() == consensusv1.Event_PUT && e.GetKv().GetCreateRevision() == m.revision()+1 {
			e.PrevKv = nil
		}
	}
	m.drafted = append(m.drafted, e)
}

func (m *model) put(op *consensusv1.PutOp) *consensusv1.PutResult {
	key, next := string(op.GetKey()), m.revision()+1
	prev := m.draft[key]
	kv := &mvccpb.KeyValue{Key: op.GetKey(), Value: op.GetValue(), Lease: op.GetLease(), CreateRevision: next, ModRevision: next, Version: 1}
	if prev != nil {
		kv.CreateRevision, kv.Version = prev.GetCreateRevision(), prev.GetVersion()+1
		if op.GetIgnoreLease() {
			kv.Lease = prev.GetLease()
		}
		if op.GetIgnoreValue() {
			kv.Value = prev.GetValue()
		}
	}
	m.draft[key] = kv
	m.change(&consensusv1.Event{Kv: kv, PrevKv: prev})
	res := &consensusv1.PutResult{}
	if op.GetPrevKv() {
		res.PrevKv = prev
	}
	return res
}

func (m *model) remove(key string) *mvccpb.KeyValue {
	prev := m.draft[key]
	delete(m.draft, key)
	m.change(&consensusv1.Event{
		Type: consensusv1.Event_DELETE,
		Kv:   &mvccpb.KeyValue{Key: []byte(key), ModRevision: m.revision() + 1}, PrevKv: prev,
	})
	return prev
}

func (m *model) deleteRange(op *consensusv1.DeleteRangeOp) *consensusv1.DeleteRangeResult {
	res := &consensusv1.DeleteRangeResult{}
	for _, key := range m.keys(m.draft, op.GetKey(), op.GetRangeEnd()) {
		prev := m.remove(key)
		res.Deleted++
		if op.GetPrevKv() {
			res.PrevKvs = append(res.PrevKvs, prev)
		}
	}
	return res
}

func (m *model) revoke(op *consensusv1.LeaseRevokeOp) (*consensusv1.Result, error) {
	if op.GetEpoch() != 0 && op.GetEpoch() != m.epoch || op.GetFence() != 0 && op.GetFence() != m.epoch {
		return nil, errdefs.ErrStaleEpoch
	}
	revoked := map[int64]bool{}
	for _, id := range op.GetIds() {
		if m.leases[id] != nil {
			revoked[id] = true
		} else if op.GetEpoch() == 0 {
			return nil, errdefs.ErrLeaseNotFound
		}
	}
	for _, key := range m.keys(m.draft, []byte{0}, []byte{0}) {
		if revoked[m.draft[key].GetLease()] {
			m.remove(key)
		}
	}
	if op.GetEpoch() != 0 {
		m.tree = &consensusv1.TreeChange{Action: consensusv1.TreeAction_TREE_ACTION_EXPIRE}
	}
	res := &consensusv1.LeaseRevokeResult{}
	for _, id := range op.GetIds() {
		if m.leases[id] != nil {
			res.Revoked = append(res.Revoked, id)
			delete(m.leases, id)
		}
	}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseRevoke{LeaseRevoke: res}}, nil
}

func (m *model) alarm(op *consensusv1.AlarmOp) *consensusv1.AlarmResult {
	res, want := &consensusv1.AlarmResult{}, op.GetAlarm()
	if !op.GetDisarm() {
		known := slices.ContainsFunc(m.alarms, func(a *consensusv1.Alarm) bool { return proto.Equal(a, want) })
		if !known && want.GetType() != 0 {
			m.alarms = append(slices.Clone(m.alarms), want)
			slices.SortFunc(m.alarms, func(a, b *consensusv1.Alarm) int {
				return cmp.Or(cmp.Compare(a.GetMemberId(), b.GetMemberId()), cmp.Compare(a.GetType(), b.GetType()))
			})
			res.Changed = append(res.Changed, want)
		}
		return res
	}
	var kept []*consensusv1.Alarm
	for _, a := range m.alarms {
		if (want.GetMemberId() == 0 || want.GetMemberId() == a.GetMemberId()) && (want.GetType() == 0 || want.GetType() == a.GetType()) {
			res.Changed = append(res.Changed, a)
		} else {
			kept = append(kept, a)
		}
	}
	m.alarms = kept
	return res
}

func (m *model) compare(c *consensusv1.Compare) bool {
	state := m.states[m.revision()]
	keys := m.keys(state, c.GetKey(), c.GetRangeEnd())
	if len(keys) == 0 {
		if _, ok := c.GetTarget().(*consensusv1.Compare_Value); ok {
			return false
		}
		return m.compareOne(c, &mvccpb.KeyValue{})
	}
	for _, k := range keys {
		if !m.compareOne(c, state[k]) {
			return false
		}
	}
	return true
}

func (m *model) compareOne(c *consensusv1.Compare, kv *mvccpb.KeyValue) bool {
	var order int
	switch t := c.GetTarget().(type) {
	case *consensusv1.Compare_Version:
		order = cmp.Compare(kv.GetVersion(), t.Version)
	case *consensusv1.Compare_CreateRevision:
		order = cmp.Compare(kv.GetCreateRevision(), t.CreateRevision)
	case *consensusv1.Compare_ModRevision:
		order = cmp.Compare(kv.GetModRevision(), t.ModRevision)
	case *consensusv1.Compare_Value:
		order = bytes.Compare(kv.GetValue(), t.Value)
	case *consensusv1.Compare_Lease:
		order = cmp.Compare(kv.GetLease(), t.Lease)
	}
	return map[consensusv1.Compare_Relation]bool{
		consensusv1.Compare_RELATION_EQUAL:     order == 0,
		consensusv1.Compare_RELATION_NOT_EQUAL: order != 0,
		consensusv1.Compare_RELATION_LESS:      order < 0,
		consensusv1.Compare_RELATION_GREATER:   order > 0,
	}[c.GetRelation()]
}

func (m *model) path(op *consensusv1.TxnOp) (bool, []*consensusv1.Op) {
	for _, c := range op.GetCompare() {
		if !m.compare(c) {
			return false, op.GetFailure()
		}
	}
	return true, op.GetSuccess()
}

// check finds what refuses a transaction. No write has been drafted, so the draft is the state before it.
func (m *model) check(op *consensusv1.TxnOp) error {
	_, ops := m.path(op)
	for _, o := range ops {
		switch o := o.GetOp().(type) {
		case *consensusv1.Op_Range:
			if err := m.readable(o.Range.GetRevision()); err != nil {
				return err
			}
		case *consensusv1.Op_Put:
			if m.raised(consensusv1.Alarm_TYPE_NOSPACE) {
				return errdefs.ErrNoSpace
			}
			if o.Put.GetLease() != 0 && m.leases[o.Put.GetLease()] == nil {
				return errdefs.ErrLeaseNotFound
			}
			if (o.Put.GetIgnoreLease() || o.Put.GetIgnoreValue()) && m.draft[string(o.Put.GetKey())] == nil {
				return errdefs.ErrKeyNotFound
			}
		case *consensusv1.Op_Txn:
			if err := m.check(o.Txn); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *model) readable(revision int64) error {
	switch {
	case revision <= 0:
		return nil
	case revision > m.revision():
		return errdefs.ErrFutureRevision
	case revision < m.compacted:
		return errdefs.ErrCompacted
	}
	return nil
}

func (m *model) txn(op *consensusv1.TxnOp) *consensusv1.TxnResult {
	succeeded, ops := m.path(op)
	res := &consensusv1.TxnResult{Succeeded: succeeded}
	for _, o := range ops {
		out := &consensusv1.OpResult{}
		switch o := o.GetOp().(type) {
		case *consensusv1.Op_Range:
			state := m.draft
			if o.Range.GetRevision() > 0 {
				state = m.states[o.Range.GetRevision()]
			}
			out.Result = &consensusv1.OpResult_Range{Range: m.rangeIn(state, o.Range)}
		case *consensusv1.Op_Put:
			out.Result = &consensusv1.OpResult_Put{Put: m.put(o.Put)}
		case *consensusv1.Op_DeleteRange:
			out.Result = &consensusv1.OpResult_DeleteRange{DeleteRange: m.deleteRange(o.DeleteRange)}
		case *consensusv1.Op_Txn:
			out.Result = &consensusv1.OpResult_Txn{Txn: m.txn(o.Txn)}
		}
		res.Results = append(res.Results, out)
	}
	return res
}

func (m *model) rangeAt(op *consensusv1.RangeOp) (*consensusv1.RangeResult, error) {
	if err := m.readable(op.GetRevision()); err != nil {
		return nil, err
	}
	revision := op.GetRevision()
	if revision <= 0 {
		revision = m.revision()
	}
	return m.rangeIn(m.states[revision], op), nil
}

func (m *model) rangeIn(state map[string]*mvccpb.KeyValue, op *consensusv1.RangeOp) *consensusv1.RangeResult {
	keys := m.keys(state, op.GetKey(), op.GetRangeEnd())
	res := &consensusv1.RangeResult{Count: int64(len(keys))}
	if op.GetCountOnly() {
		return res
	}
	filters := op.GetMinModRevision() != 0 || op.GetMaxModRevision() != 0 || op.GetMinCreateRevision() != 0 || op.GetMaxCreateRevision() != 0
	ascending := op.GetSortOrder() == consensusv1.RangeOp_SORT_ORDER_UNSPECIFIED || op.GetSortOrder() == consensusv1.RangeOp_SORT_ORDER_ASCEND && op.GetSortTarget() == 0
	if limit := op.GetLimit(); limit > 0 && ascending && !filters && int64(len(keys)) > limit+1 {
		keys = keys[:limit+1]
	}
	for _, k := range keys {
		kv := proto.CloneOf(state[k])
		if op.GetMinModRevision() != 0 && kv.GetModRevision() < op.GetMinModRevision() ||
			op.GetMaxModRevision() != 0 && kv.GetModRevision() > op.GetMaxModRevision() ||
			op.GetMinCreateRevision() != 0 && kv.GetCreateRevision() < op.GetMinCreateRevision() ||
			op.GetMaxCreateRevision() != 0 && kv.GetCreateRevision() > op.GetMaxCreateRevision() {
			continue
		}
		res.Kvs = append(res.Kvs, kv)
	}
	sign := 1
	if op.GetSortOrder() == consensusv1.RangeOp_SORT_ORDER_DESCEND {
		sign = -1
	}
	slices.SortStableFunc(res.Kvs, func(a, b *mvccpb.KeyValue) int {
		switch op.GetSortTarget() {
		case consensusv1.RangeOp_SORT_TARGET_VERSION:
			return sign * cmp.Compare(a.GetVersion(), b.GetVersion())
		case consensusv1.RangeOp_SORT_TARGET_CREATE:
			return sign * cmp.Compare(a.GetCreateRevision(), b.GetCreateRevision())
		case consensusv1.RangeOp_SORT_TARGET_MOD:
			return sign * cmp.Compare(a.GetModRevision(), b.GetModRevision())
		case consensusv1.RangeOp_SORT_TARGET_VALUE:
			return sign * bytes.Compare(a.GetValue(), b.GetValue())
		}
		return sign * bytes.Compare(a.GetKey(), b.GetKey())
	})
	if limit := op.GetLimit(); limit > 0 && int64(len(res.Kvs)) > limit {
		res.Kvs, res.More = res.Kvs[:limit], true
	}
	if op.GetKeysOnly() {
		for _, kv := range res.Kvs {
			kv.Value = nil
			if op.GetSortTarget() != consensusv1.RangeOp_SORT_TARGET_VALUE {
				kv.Lease = 0
			}
		}
	}
	return res
}

// history returns the commits of a stretch that touch a range, as the store should.
func (m *model) history(from, to int64, key, end []byte) []*consensusv1.Commit {
	var commits []*consensusv1.Commit
	for revision := max(from, 2); revision <= to; revision++ {
		c := &consensusv1.Commit{Revision: revision}
		for _, e := range m.commits[revision].GetEvents() {
			k := map[string]*mvccpb.KeyValue{string(e.GetKv().GetKey()): nil}
			if len(key) > 0 && len(m.keys(k, key, end)) == 0 {
				continue
			}
			if revision <= m.compacted {
				e = proto.CloneOf(e)
				e.PrevKv = nil
			}
			c.Events = append(c.Events, e)
		}
		if len(c.Events) > 0 {
			c.Tree = m.commits[revision].GetTree()
			commits = append(commits, c)
		}
	}
	return commits
}
