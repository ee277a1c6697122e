package plan

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/status"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	// batchMax and batchBytesMax bound the changes that go into one transaction.
	batchMax, batchBytesMax = 64, 256 << 10
	// conflictsMax is how many conflicts end a call: who has so many wants to look first.
	conflictsMax = 100
)

// planned is a change on its way.
type planned struct {
	change *consolev1.Change
	value  []byte
}

// application is one call of Apply under way.
type application struct {
	planner *Planner
	answer  *consolev1.ApplyResponse
	batch   []planned
	bytes   int
}

// Apply carries out a part of a plan as it was previewed. What was done is told whatever comes then.
func (p *Planner) Apply(ctx context.Context, r *consolev1.ApplyRequest) (*consolev1.ApplyResponse, error) {
	if r.GetRevision() <= 0 {
		return nil, refuse("the revision of the preview is missing: nothing is changed that was not shown")
	}
	steps, revision, err := p.open(ctx, r.GetPlan(), r.GetRevision(), r.GetAfter())
	if err != nil {
		return nil, err
	}
	a := &application{planner: p, answer: &consolev1.ApplyResponse{NextAfter: r.GetAfter()}}
	more, err := a.run(ctx, steps, revision, limit(r.GetLimit(), applyDefault, applyMax))
	switch {
	case err != nil && a.answer.Applied == 0 && len(a.answer.Conflicts) == 0:
		return nil, err
	case err != nil:
		a.answer.Failed = status.Convert(err).Message()
		more = true
	case !more:
		a.answer.NextAfter = nil
	}
	a.answer.More = more
	return a.answer, nil
}

// run carries out steps until there are none, or enough. NextAfter is behind all that is done.
func (a *application) run(ctx context.Context, steps source, revision, most int64) (more bool, err error) {
	living := living{client: a.planner.leases}
	looked, planning, read := 0, int64(0), 0
	var seen []byte
	until := time.Now().Add(workMax)
	for looked < lookedMax && planning < most && read < readBytesMax && len(a.answer.Conflicts) < conflictsMax && time.Now().Before(until) {
		s, err := steps.next(ctx)
		if err != nil {
			return true, err
		}
		if s == nil {
			return false, a.flush(ctx, seen)
		}
		looked++
		seen = s.key
		if s.stays {
			continue
		}
		before, after := s.before, (*mvccpb.KeyValue)(nil)
		if s.value != nil { // what is deleted need not be read
			if before, after, err = a.planner.values(ctx, s, revision); err != nil {
				return true, err
			}
		}
		read += len(before.GetValue()) + len(after.GetValue())
		change, err := living.change(ctx, s, before, after)
		if err != nil {
			return true, err
		}
		if change == nil {
			continue
		}
		planning++
		a.batch, a.bytes = append(a.batch, planned{change, after.GetValue()}), a.bytes+len(s.key)+len(after.GetValue())
		if len(a.batch) >= a.planner.opsMax || a.bytes >= batchBytesMax {
			if err := a.flush(ctx, seen); err != nil {
				return true, err
			}
		}
	}
	return true, a.flush(ctx, seen)
}

// flush carries out what is in the batch, together or, where somebody has changed one of the keys, one by one. Everything up to seen is done then.
func (a *application) flush(ctx context.Context, seen []byte) error {
	batch := a.batch
	a.batch, a.bytes = nil, 0
	if len(batch) > 0 {
		done, err := a.change(ctx, batch)
		if err != nil {
			return err
		}
		if !done {
			for _, one := range batch {
				if err := a.changeOne(ctx, one); err != nil {
					return err
				}
				a.answer.NextAfter = one.change.GetKey()
			}
		}
	}
	if seen != nil {
		a.answer.NextAfter = seen
	}
	return nil
}

func (a *application) changeOne(ctx context.Context, one planned) error {
	done, err := a.change(ctx, []planned{one})
	if err != nil || done {
		return err
	}
	now, err := a.planner.kv.Range(ctx, &etcdserverpb.RangeRequest{Key: one.change.GetKey(), KeysOnly: true})
	if err != nil {
		return err
	}
	conflict := &consolev1.Conflict{Wanted: one.change}
	if len(now.GetKvs()) > 0 {
		conflict.ModRevision = now.GetKvs()[0].GetModRevision()
	}
	a.answer.Conflicts = append(a.answer.Conflicts, conflict)
	return nil
}

// change carries out changes in one transaction, unless one of the keys is not as it was.
func (a *application) change(ctx context.Context, changes []planned) (done bool, err error) {
	txn := &etcdserverpb.TxnRequest{}
	for _, one := range changes {
		c := one.change
		txn.Compare = append(txn.Compare, &etcdserverpb.Compare{
			Key: c.GetKey(), Target: etcdserverpb.Compare_MOD, Result: etcdserverpb.Compare_EQUAL,
			TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: c.GetModRevision()},
		})
		op := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: c.GetKey(), Value: one.value, Lease: c.GetLeaseAfter()}}}
		if c.GetKind() == consolev1.Change_KIND_DELETE {
			op.Request = &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: c.GetKey()}}
		}
		txn.Success = append(txn.Success, op)
	}
	answer, err := a.planner.kv.Txn(ctx, txn)
	if err != nil || !answer.GetSucceeded() {
		return false, err
	}
	a.answer.Applied += int64(len(changes))
	a.answer.Revision = answer.GetHeader().GetRevision()
	return true, nil
}
