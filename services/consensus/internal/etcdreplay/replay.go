package etcdreplay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/etcddir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

const (
	// leaseTTLMin and leaseTTLMax are etcd's with default settings, in seconds: it makes more of less, and refuses more.
	leaseTTLMin = 2
	leaseTTLMax = 9_000_000_000
)

// Replay carries out entries one after the other. It is for one goroutine, and End must end it.
type Replay struct {
	ctx     context.Context
	store   *mvcc.Store
	machine *statemachine.Machine
	batch   *statemachine.Batch
	members Members
	alarms  []*consensusv1.Alarm

	// RootToo says that what makes a request too old counts for the revocation of a lease by root as well, as it does in etcd 3.4.
	RootToo bool
	// Changed counts entries that had an effect, and Refused those that the etcd refused.
	Changed, Refused int64
}

// New begins where the members and alarms are those of a database whose state the store has.
func New(ctx context.Context, store *mvcc.Store, members Members, alarms []*consensusv1.Alarm) *Replay {
	return &Replay{ctx: ctx, store: store, machine: statemachine.New(store), members: members, alarms: slices.Clone(alarms)}
}

// Alarms are those that are raised.
func (r *Replay) Alarms() []*consensusv1.Alarm { return r.alarms }

// Apply carries out an entry. An error is storage's, or of an entry that cannot be read.
func (r *Replay) Apply(entry *raftpb.Entry) error {
	if err := r.apply(entry); err != nil {
		return fmt.Errorf("carry out entry %d of the log: %w", entry.GetIndex(), err)
	}
	return nil
}

func (r *Replay) apply(entry *raftpb.Entry) error {
	switch {
	case entry.GetType() == raftpb.EntryConfChange:
		return r.members.change(entry)
	case entry.GetType() != raftpb.EntryNormal:
		return fmt.Errorf("no etcd up to 3.7 writes entries of type %s", entry.GetType())
	case len(entry.GetData()) == 0:
		return nil
	}
	v2, err := etcddir.V2Request(entry.GetData())
	if err != nil {
		return err
	}
	if v2 != nil {
		r.members.published(v2.Path, v2.Value)
		return nil // see Tree
	}
	request := &etcdserverpb.InternalRaftRequest{}
	if err := proto.Unmarshal(entry.GetData(), request); err != nil {
		return err
	}
	switch {
	case request.GetClusterMemberAttrSet() != nil:
		r.members.publish(request.GetClusterMemberAttrSet())
		return nil
	case request.GetAlarm() != nil:
		r.alarm(request.GetAlarm())
		return nil
	case r.capped(request):
		r.Refused++
		return nil
	}
	command, err := commandOf(request)
	if command == nil || err != nil {
		return err
	}
	return r.carryOut(request, command)
}

// alarm raises or lowers one.
func (r *Replay) alarm(request *etcdserverpb.AlarmRequest) {
	is := func(a *consensusv1.Alarm) bool {
		return a.GetMemberId() == request.GetMemberID() && int32(a.GetType()) == int32(request.GetAlarm())
	}
	switch request.GetAction() {
	case etcdserverpb.AlarmRequest_ACTIVATE:
		if !slices.ContainsFunc(r.alarms, is) {
			r.alarms = append(r.alarms, &consensusv1.Alarm{MemberId: request.GetMemberID(), Type: consensusv1.Alarm_Type(request.GetAlarm())})
		}
	case etcdserverpb.AlarmRequest_DEACTIVATE:
		r.alarms = slices.DeleteFunc(r.alarms, is)
	}
}

// capped tells whether an alarm has the request refused. They count for all members.
func (r *Replay) capped(request *etcdserverpb.InternalRaftRequest) bool {
	raised := func(kind consensusv1.Alarm_Type) bool {
		return slices.ContainsFunc(r.alarms, func(a *consensusv1.Alarm) bool { return a.GetType() == kind })
	}
	puts := func(ops []*etcdserverpb.RequestOp) bool {
		return slices.ContainsFunc(ops, func(op *etcdserverpb.RequestOp) bool { return op.GetRequestPut() != nil })
	}
	if raised(consensusv1.Alarm_TYPE_CORRUPT) {
		return request.GetPut() != nil || request.GetDeleteRange() != nil || request.GetTxn() != nil || request.GetCompaction() != nil ||
			request.GetLeaseGrant() != nil || request.GetLeaseRevoke() != nil
	}
	return raised(consensusv1.Alarm_TYPE_NOSPACE) && (request.GetPut() != nil || request.GetLeaseGrant() != nil ||
		puts(request.GetTxn().GetSuccess()) || puts(request.GetTxn().GetFailure()))
}

// carryOut has the state machine do it, in the name of who asked the etcd.
func (r *Replay) carryOut(request *etcdserverpb.InternalRaftRequest, command *consensusv1.Command) error {
	if grant := command.GetLeaseGrant(); grant != nil {
		if grant.GetId() == 0 || grant.GetTtl() > leaseTTLMax {
			r.Refused++
			return nil
		}
		grant.Ttl = max(grant.GetTtl(), leaseTTLMin)
	}
	caller, stale, err := r.callerOf(request, command)
	if err != nil {
		return err
	}
	if stale {
		r.Refused++
		return nil
	}
	command.Caller = caller
	if r.batch == nil {
		r.batch = r.machine.Begin()
		r.batch.Answers(false)
	}
	switch _, _, err := r.batch.Apply(command); {
	case err == nil:
		r.Changed++
	case !statemachine.Refuses(err):
		return err
	default:
		r.Refused++
	}
	// Who may do what is looked at between batches.
	if r.batch.Full() || command.GetAuth() != nil {
		return r.commit()
	}
	return nil
}

// callerOf says for whom a request was made, and whether etcd refuses it because users and roles have changed since: any of them, where ours
// looks at those of the caller.
func (r *Replay) callerOf(request *etcdserverpb.InternalRaftRequest, command *consensusv1.Command) (caller *consensusv1.Caller, stale bool, err error) {
	state, err := r.machine.Auth()
	if err != nil {
		return nil, false, err
	}
	internal := &consensusv1.Caller{Internal: true}
	if !state.Enabled() {
		return internal, false, nil
	}
	caller = &consensusv1.Caller{Name: request.GetHeader().GetUsername()}
	stale = caller.GetName() != "" && request.GetHeader().GetAuthRevision() < state.Revision()
	switch {
	case command.GetPut() != nil, command.GetDeleteRange() != nil, command.GetTxn() != nil:
		return caller, stale, nil
	case command.GetLeaseRevoke() != nil: // the keys of the lease count, and nothing else
		if err := r.commit(); err != nil {
			return nil, false, err
		}
		keys, _, err := r.store.LeaseKeys(r.ctx, command.GetLeaseRevoke().GetIds()[0])
		if len(keys) == 0 || !r.RootToo && isRoot(state, caller) {
			return internal, false, err
		}
		return caller, stale, err
	case command.GetAuth() != nil:
		return caller, false, nil
	}
	return internal, false, nil
}

func isRoot(state *auth.State, caller *consensusv1.Caller) bool {
	return state.CheckRoot(caller) == nil
}

// commit makes visible what was carried out.
func (r *Replay) commit() error {
	if r.batch == nil {
		return nil
	}
	batch := r.batch
	r.batch = nil
	return errors.Join(batch.Commit(), batch.Close())
}

// End makes all of it durable.
func (r *Replay) End() error {
	if err := r.commit(); err != nil {
		return err
	}
	return r.store.Flush()
}

// Close ends a replay that did not come to its end. After End it does nothing.
func (r *Replay) Close() error {
	if r.batch == nil {
		return nil
	}
	return r.batch.Close()
}
