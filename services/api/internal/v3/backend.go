package v3

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/pkg/deadline"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
	"github.com/quoratedb/quorate/services/api/port"
)

// backend is what all services share: the store behind them, the time they give it, and how they name it in headers.
type backend struct {
	consensus port.Consensus
	place     Place
	shown     func(revision int64)
	nearest   func() uint64
	logger    *slog.Logger
	timeout   time.Duration
	gate      *auth.Gate
	// identity is who answers. A member never changes its ids, so they are asked for once, and again when another store has
	// taken this one's place.
	identity atomic.Pointer[identity]
}

// Place tells where the store is.
type Place interface {
	Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error)
	ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error)
}

type identity struct {
	clusterID, memberID uint64
	// revision and term are the newest that any answer has shown, for headers of what carries none, or one that may be older.
	// They are of this store: another one's may be lower.
	revision atomic.Int64
	term     atomic.Uint64
}

// bound gives ctx at most the request timeout. When that runs out, the cause is errdefs.ErrTimeout; when the client's
// own deadline is nearer it is left as it is, without the price of another timer.
func (b *backend) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= b.timeout {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, b.timeout, errdefs.ErrTimeout)
}

// propose has a command applied, for the caller of the request that ctx is of. It completes request, which must be the caller's own. The
// error is ready for the client.
func (b *backend) propose(ctx context.Context, request *consensusv1.ProposeRequest) (*consensusv1.Result, error) {
	bounded := deadline.Within(ctx, b.timeout, errdefs.ErrTimeout)
	defer bounded.End()
	request.Caller = auth.Caller(ctx)
	response, err := b.consensus.Propose(bounded, request)
	if err != nil {
		return nil, b.proposalError(bounded, err)
	}
	return response.GetResult(), nil
}

// proposalError differs from failure in what it says about a context that ended: etcd has texts of its own for a
// write that was abandoned, as opposed to a read.
func (b *backend) proposalError(bounded context.Context, err error) error {
	err = timedOut(bounded, err)
	switch {
	case errors.Is(err, context.Canceled):
		return rpctypes.ErrGRPCCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return rpctypes.ErrGRPCTimeout
	}
	return etcderr.From(b.logger, err)
}

// failure turns the error of a port into the client's.
func (b *backend) failure(bounded context.Context, err error) error {
	return etcderr.From(b.logger, timedOut(bounded, err))
}

// timedOut returns err, or errdefs.ErrTimeout when err says no more than that the deadline of bound has passed: a port
// may report the context's error rather than its cause.
func timedOut(bounded context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(bounded) == errdefs.ErrTimeout {
		return errdefs.ErrTimeout
	}
	return err
}

// position asks where the store is, without asking other members. The error is ready for the client.
func (b *backend) position(ctx context.Context) (*consensusv1.PositionResponse, error) {
	position, err := b.place.Position(ctx, &consensusv1.PositionRequest{})
	if err != nil {
		return nil, b.failure(ctx, err)
	}
	known := b.identity.Load()
	if known == nil || known.clusterID != position.GetClusterId() {
		made := &identity{clusterID: position.GetClusterId(), memberID: position.GetMemberId()}
		if b.identity.CompareAndSwap(known, made) {
			known = made
		} else {
			known = b.identity.Load() // of somebody who asked at the same time
		}
	}
	if known != nil {
		known.saw(position.GetRevision(), position.GetRaftTerm())
	}
	return position, nil
}

// whoAmI returns the ids that headers carry.
func (b *backend) whoAmI(ctx context.Context) (*identity, error) {
	if known := b.identity.Load(); known != nil {
		return known, nil
	}
	position, err := b.position(ctx)
	if err != nil {
		return nil, err
	}
	if known := b.identity.Load(); known != nil {
		return known, nil
	}
	return &identity{clusterID: position.GetClusterId(), memberID: position.GetMemberId()}, nil // forgotten again meanwhile
}

// forget asks for the ids and the term anew: the store is another one. Where it does not answer, the next header asks again.
func (b *backend) forget(ctx context.Context) {
	b.identity.Store(nil)
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	if _, err := b.position(ctx); err != nil {
		b.logger.Warn("the store that replaced another does not say yet who it is", slog.Any("error", err))
	}
}

// header returns the header of an answer that the store gave at a revision and term.
func (b *backend) header(ctx context.Context, revision int64, term uint64) (*etcdserverpb.ResponseHeader, error) {
	id, err := b.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	b.shows(id, revision, term)
	return b.headerOf(id, revision, term), nil
}

// shows is called before a client is shown a revision and a term.
func (b *backend) shows(id *identity, revision int64, term uint64) {
	id.saw(revision, term)
	if b.shown != nil {
		b.shown(revision)
	}
}

// headerSeen returns a header with the newest revision and term that any answer has shown.
func (b *backend) headerSeen(ctx context.Context) (*etcdserverpb.ResponseHeader, error) {
	id, err := b.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	return b.headerOf(id, id.revision.Load(), id.term.Load()), nil
}

// leaseHeader returns the header of an answer of the lease service. Its revision may be older than what this node has shown to
// its clients; seen is what it had shown before it asked, and no later: a lease that ends at some revision must not seem alive
// at that one.
func (b *backend) leaseHeader(ctx context.Context, seen *etcdserverpb.ResponseHeader, answer interface {
	GetRevision() int64
	GetRaftTerm() uint64
},
) (*etcdserverpb.ResponseHeader, error) {
	return b.header(ctx, max(seen.GetRevision(), answer.GetRevision()), max(seen.GetRaftTerm(), answer.GetRaftTerm()))
}

// headerNow returns the header of an answer that carries no revision and term of its own.
func (b *backend) headerNow(ctx context.Context) (*etcdserverpb.ResponseHeader, error) {
	position, err := b.position(ctx)
	if err != nil {
		return nil, err
	}
	id := identity{clusterID: position.GetClusterId(), memberID: position.GetMemberId()}
	return b.headerOf(&id, position.GetRevision(), position.GetRaftTerm()), nil
}

func (b *backend) headerOf(id *identity, revision int64, term uint64) *etcdserverpb.ResponseHeader {
	header := id.header(revision, term)
	header.MemberId = b.member(id)
	return header
}

// member is the one at this endpoint: where services are apart that whose status is told here.
func (b *backend) member(id *identity) uint64 {
	if b.nearest != nil {
		if nearest := b.nearest(); nearest != 0 {
			return nearest
		}
	}
	return id.memberID
}

func (id *identity) header(revision int64, term uint64) *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{
		ClusterId: id.clusterID,
		MemberId:  id.memberID,
		Revision:  revision,
		RaftTerm:  term,
	}
}

func (id *identity) saw(revision int64, term uint64) {
	for newest := id.revision.Load(); revision > newest && !id.revision.CompareAndSwap(newest, revision); {
		newest = id.revision.Load()
	}
	for newest := id.term.Load(); term > newest && !id.term.CompareAndSwap(newest, term); {
		newest = id.term.Load()
	}
}
