package v3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
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
// a watch only says when it is worth to read again. Once nobody is before a key nobody ever is, for keys only get younger: so a turn may
// be told by what was read a while ago.

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
	lines lines
}

// place is one caller's among those who want a turn.
type place struct {
	prefix, key []byte
	lease       int64
	// ownLease says that the caller has brought no lease, and knows of none.
	ownLease bool
	// made is the revision that made the key: the order of turns, and the fencing token.
	made int64
	// value is what the key holds.
	value []byte
	// header is of an answer that has shown that the place has its turn, nil before.
	header *etcdserverpb.ResponseHeader
}

// prefixOf is what the keys of a name begin with.
func prefixOf(name []byte) []byte { return append(bytes.Clone(name), '/') }

// join takes a place, or finds the one that the lease has already. Where there is no lease it makes one. Errors are ready for the client, as
// those of all methods.
func (t *turns) join(ctx context.Context, name []byte, lease int64, value []byte) (*place, error) {
	p := &place{prefix: prefixOf(name), lease: lease, ownLease: lease == 0, value: value}
	if p.ownLease {
		granted, err := t.lease.LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: ownLeaseTTL})
		if err != nil {
			return nil, err
		}
		p.lease = granted.GetID()
	}
	p.key = fmt.Appendf(bytes.Clone(p.prefix), "%x", p.lease)
	if err := t.put(ctx, p); err != nil {
		if p.ownLease {
			t.withdraw(ctx, p)
		}
		return nil, err
	}
	return p, nil
}

// put makes the key of a place where there is none. Who is first is not asked here: the answer takes a look at all keys of the name, and all other writes
// would wait for it.
func (t *turns) put(ctx context.Context, p *place) error {
	answer, err := t.kv.Txn(ctx, &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{madeAt(p.key, 0)},
		Success: []*etcdserverpb.RequestOp{putOp(p.key, p.value, p.lease)},
		Failure: []*etcdserverpb.RequestOp{rangeOp(&etcdserverpb.RangeRequest{Key: p.key}), p.readsAll(madeAt(p.key, 0))},
	})
	if err != nil {
		return err
	}
	p.made = answer.GetHeader().GetRevision()
	if !answer.GetSucceeded() {
		kept := answer.GetResponses()[0].GetResponseRange().GetKvs()[0]
		p.made, p.value = kept.GetCreateRevision(), kept.GetValue()
	}
	return nil
}

// await waits until nobody is before the place, and has its header be of a read that has shown so. It returns gone if the place is not
// there any more by then. When ctx ends the place is given up.
func (t *turns) await(ctx context.Context, p *place, gone error) error {
	w := t.lines.enter(p)
	defer w.leave()
	err := t.awaitFirst(ctx, p, w)
	if err == nil && p.header == nil {
		err = t.confirm(ctx, p, gone)
	}
	// A server that stops leaves the place, for the client to go on with elsewhere, if it can.
	if err != nil && err != gone && (p.ownLease || context.Cause(ctx) != rpctypes.ErrGRPCStopped) {
		t.withdraw(ctx, p)
	}
	return err
}

// withdraw gives a place up, and the lease that was made for it.
func (t *turns) withdraw(ctx context.Context, p *place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawMax)
	defer cancel()
	if p.ownLease {
		_, _ = t.lease.LeaseRevoke(ctx, &etcdserverpb.LeaseRevokeRequest{ID: p.lease}) // else it ends by itself
		return
	}
	_, _ = t.leave(ctx, p.key, p.made) // else it goes with its lease
}

// readsAll has a transaction need the right to read all keys of the name, and read none: it is for where never holds.
func (p *place) readsAll(never *etcdserverpb.Compare) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestTxn{RequestTxn: &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{never},
		Success: []*etcdserverpb.RequestOp{rangeOp(firstOf(p.prefix, 0))},
	}}}
}

// confirm asks whether the place is there, of whom may still read all keys of the name.
func (t *turns) confirm(ctx context.Context, p *place, gone error) error {
	answer, err := t.kv.Txn(ctx, &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{madeAt(p.key, p.made)},
		Failure: []*etcdserverpb.RequestOp{p.readsAll(madeAt(p.key, p.made))},
	})
	if err != nil {
		return err
	}
	if !answer.GetSucceeded() {
		return gone
	}
	p.header = answer.GetHeader()
	return nil
}

// awaitFirst waits until nobody is before the place of a waiter. It sets the place's header if what it has read shows that.
func (t *turns) awaitFirst(ctx context.Context, p *place, w *waiter) error {
	for !w.isNear() {
		select {
		case <-w.near:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	tail := t.follow()
	defer tail.close()
	for asked := false; ; {
		before, some, known := w.before()
		switch {
		case known && !some:
			return nil
		case !known && !asked || !some:
			if err := t.readOrder(ctx, p, w); err != nil || p.header != nil {
				return err
			}
			asked = true
			continue
		}
		asked = false
		gone, err := t.awaitGone(ctx, tail, before)
		if err != nil {
			return err
		}
		if gone {
			w.ended(before)
		}
	}
}

// readOrder reads the oldest keys of the name. If that of the place is the first, its turn has come.
func (t *turns) readOrder(ctx context.Context, p *place, w *waiter) error {
	keys, store := w.reads()
	oldest := firstOf(p.prefix, 0)
	oldest.KeysOnly, oldest.Limit = true, keys
	answer, err := t.kv.Range(ctx, oldest)
	if err != nil {
		return err
	}
	order, through := make([]turnKey, len(answer.GetKvs())), answer.GetHeader().GetRevision()
	for i, kv := range answer.GetKvs() {
		order[i] = turnKey{key: kv.GetKey(), made: kv.GetCreateRevision()}
	}
	if answer.GetMore() {
		through = order[len(order)-1].made
	}
	w.has(store, order, through)
	if len(order) > 0 && order[0].made == p.made {
		p.header = answer.GetHeader()
	}
	return nil
}

// awaitGone waits for the end of somebody's key. It may return before that, for another look.
func (t *turns) awaitGone(ctx context.Context, tail *tail, of turnKey) (gone bool, err error) {
	answer, err := t.kv.Range(ctx, &etcdserverpb.RangeRequest{Key: of.key, KeysOnly: true})
	if err != nil {
		return false, err
	}
	if kvs := answer.GetKvs(); len(kvs) == 0 || kvs[0].GetCreateRevision() != of.made {
		return true, nil
	}
	err = tail.awaitDelete(ctx, of.key, answer.GetHeader().GetRevision()+1)
	if errors.Is(err, errdefs.ErrCompacted) || errors.Is(err, errReplaced) {
		return false, nil
	}
	return err == nil, t.kv.failure(ctx, err)
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
