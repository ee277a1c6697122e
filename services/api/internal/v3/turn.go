package v3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/port"
)

// Locks and elections are turns. Everybody who wants one has a key below its name, which is that of their lease and lives no
// longer:
//
//	name/6f1  made at 11: has its turn
//	name/6f9  made at 14: waits until there is nobody before it
//
// The oldest key has its turn. etcd's Go client does the same with the same keys, so that both can share a name. Each waits for the
// key before its own alone: an end wakes one, not all. All reads and writes are made for the caller, and so with their rights;
// a watch only says when it is worth to read again.

const (
	// ownLeaseTTL is of the lease of a caller who brings none, in seconds. It is etcd's.
	ownLeaseTTL = 60
	// withdrawMax is how long the key of a caller who left may take to go. If it fails, it goes with its lease.
	withdrawMax = 5 * time.Second
)

// turns are what locks and elections have in common.
type turns struct {
	kv    *KVServer
	lease *LeaseServer
	watch port.Watch
}

// place is one caller's among those who want a turn.
type place struct {
	prefix, key []byte
	lease       int64
	// made is the revision that made the key: the order of turns, and the fencing token.
	made int64
	// value is what the key holds.
	value []byte
	// header is of the newest answer that has shown the place, and first tells that it had its turn then.
	header *etcdserverpb.ResponseHeader
	first  bool
}

// prefixOf is what the keys of a name begin with.
func prefixOf(name []byte) []byte { return append(bytes.Clone(name), '/') }

// join takes a place, or finds the one that the lease has already. Where there is no lease it makes one. Errors are ready for the client, as
// those of all methods.
func (t *turns) join(ctx context.Context, name []byte, lease int64, value []byte) (*place, error) {
	if lease == 0 {
		granted, err := t.lease.LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: ownLeaseTTL})
		if err != nil {
			return nil, err
		}
		lease = granted.GetID()
	}
	p := &place{prefix: prefixOf(name), lease: lease, value: value}
	p.key = fmt.Appendf(bytes.Clone(p.prefix), "%x", lease)
	oldest := rangeOp(firstOf(p.prefix, 0))
	answer, err := t.kv.Txn(ctx, &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{madeAt(p.key, 0)},
		Success: []*etcdserverpb.RequestOp{putOp(p.key, value, lease), oldest},
		Failure: []*etcdserverpb.RequestOp{rangeOp(&etcdserverpb.RangeRequest{Key: p.key}), oldest},
	})
	if err != nil {
		return nil, err
	}
	p.header, p.made = answer.GetHeader(), answer.GetHeader().GetRevision()
	if !answer.GetSucceeded() {
		kept := answer.GetResponses()[0].GetResponseRange().GetKvs()[0]
		p.made, p.value = kept.GetCreateRevision(), kept.GetValue()
	}
	p.first = firstIs(answer.GetResponses()[1].GetResponseRange().GetKvs(), p.made)
	return p, nil
}

func firstIs(oldest []*mvccpb.KeyValue, made int64) bool {
	return len(oldest) == 0 || oldest[0].GetCreateRevision() == made
}

// await waits until nobody is before the place, and has its header be of a read that has shown so. It returns gone if the place is not
// there any more by then. When ctx ends the place is given up.
func (t *turns) await(ctx context.Context, p *place, gone error) error {
	err := t.awaitFirst(ctx, p)
	if err == nil {
		err = t.confirm(ctx, p, gone)
	}
	// A server that stops leaves the place, for the client to go on with elsewhere.
	if err != nil && context.Cause(ctx) != rpctypes.ErrGRPCStopped {
		withdrawn, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawMax)
		defer cancel()
		_, _ = t.leave(withdrawn, p.key, p.made) // else it goes with its lease
	}
	return err
}

func (t *turns) confirm(ctx context.Context, p *place, gone error) error {
	answer, err := t.kv.Range(ctx, &etcdserverpb.RangeRequest{Key: p.key})
	if err != nil {
		return err
	}
	if kvs := answer.GetKvs(); len(kvs) == 0 || kvs[0].GetCreateRevision() != p.made {
		return gone
	}
	p.header = answer.GetHeader()
	return nil
}

func (t *turns) awaitFirst(ctx context.Context, p *place) error {
	tail := t.follow()
	defer tail.close()
	for {
		before, err := t.kv.Range(ctx, &etcdserverpb.RangeRequest{
			Key: p.prefix, RangeEnd: endOf(p.prefix), KeysOnly: true, Limit: 1, MaxCreateRevision: p.made - 1,
			SortOrder: etcdserverpb.RangeRequest_DESCEND, SortTarget: etcdserverpb.RangeRequest_CREATE,
		})
		if err != nil {
			return err
		}
		if len(before.GetKvs()) == 0 {
			return nil
		}
		err = tail.awaitDelete(ctx, before.GetKvs()[0].GetKey(), before.GetHeader().GetRevision()+1)
		if err != nil && !errors.Is(err, errdefs.ErrCompacted) && !errors.Is(err, errReplaced) { // both are worth to look again
			return t.kv.failure(ctx, err)
		}
	}
}

// leave deletes a key that was made at a revision. There may be none.
func (t *turns) leave(ctx context.Context, key []byte, made int64) (*etcdserverpb.TxnResponse, error) {
	return t.kv.Txn(ctx, &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{madeAt(key, made)},
		Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: key}}}},
	})
}

// firstOf asks for the oldest key that begins with prefix, as of a revision or, with 0, now.
func firstOf(prefix []byte, revision int64) *etcdserverpb.RangeRequest {
	return &etcdserverpb.RangeRequest{
		Key: prefix, RangeEnd: endOf(prefix), Limit: 1, Revision: revision,
		SortOrder: etcdserverpb.RangeRequest_ASCEND, SortTarget: etcdserverpb.RangeRequest_CREATE,
	}
}

// endOf is the first key behind all that begin with a prefix of prefixOf, whose last byte is a slash.
func endOf(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}

func madeAt(key []byte, revision int64) *etcdserverpb.Compare {
	return &etcdserverpb.Compare{
		Key: key, Target: etcdserverpb.Compare_CREATE, Result: etcdserverpb.Compare_EQUAL,
		TargetUnion: &etcdserverpb.Compare_CreateRevision{CreateRevision: revision},
	}
}

func putOp(key, value []byte, lease int64) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: key, Value: value, Lease: lease}}}
}

func rangeOp(r *etcdserverpb.RangeRequest) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: r}}
}

// errReplaced is returned by tail.next when the store is another one now.
var errReplaced = errors.New(reasonReplaced)

// tail follows one range at a time. It belongs to one goroutine.
type tail struct {
	session delivery.Session
	id      int64
}

func (t *turns) follow() *tail { return &tail{session: t.watch.Open()} }

func (t *tail) close() { t.session.Close() }

// from has the tail follow a range from a revision on, and no longer what it followed before.
func (t *tail) from(key, end []byte, revision int64) error {
	if t.id > 0 {
		t.session.Remove(t.id)
	}
	t.id++
	return t.session.Add(&watchv1.Watch{Id: t.id, Key: key, RangeEnd: end, StartRevision: revision})
}

// next waits for the next events. Besides what Session.Next returns there are errdefs.ErrCompacted and errReplaced.
func (t *tail) next(ctx context.Context) ([]*consensusv1.Event, error) {
	for {
		found, err := t.session.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ended(ctx)
		case err != nil:
			return nil, err
		case found.All || found.ID != t.id:
		case found.Replaced:
			return nil, errReplaced
		case found.CompactedRevision != 0:
			return nil, errdefs.ErrCompacted
		case found.Batch != nil:
			return found.Batch.Events(), nil
		}
	}
}

// ended says why a call ended whose context has: the client left or ran out of time, or the server does not go on with it.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return cause
	}
	return status.FromContextError(ctx.Err()).Err()
}

func (t *tail) awaitDelete(ctx context.Context, key []byte, revision int64) error {
	if err := t.from(key, nil, revision); err != nil {
		return err
	}
	for {
		events, err := t.next(ctx)
		if err != nil {
			return err
		}
		for _, event := range events {
			if event.GetType() == consensusv1.Event_DELETE {
				return nil
			}
		}
	}
}
