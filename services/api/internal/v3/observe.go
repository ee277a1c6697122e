package v3

import (
	"context"
	"errors"
	"strconv"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
)

// StartRevisionHeader names, in the metadata of a call of Observe, the first revision that is news to the client: one more than the
// revision in the header of the last answer that it had. etcd's request has no field for it.
const StartRevisionHeader = "quorate-start-revision"

var errBadStartRevision = status.Error(codes.InvalidArgument, "quorate: "+StartRevisionHeader+" is a revision, from 1 on")

// Observe tells of who leads, and from then on of each leader and of each value that one proclaims, in order; of leaders too who led while the
// client was away, if it says from which revision on. The revision of an answer's header says up to where everything is told. What is
// compacted cannot be told: then a stream that begins there is refused as compacted, and one that is under way goes on with who leads now.
func (s *ElectionServer) Observe(r *v3electionpb.LeaderRequest, stream grpc.ServerStreamingServer[v3electionpb.LeaderResponse]) error {
	ctx := stream.Context()
	start, err := startRevision(ctx)
	if err != nil {
		return err
	}
	o := &observer{turns: s.turns, prefix: prefixOf(r.GetName()), stream: stream, tail: s.turns.follow()}
	defer o.tail.close()
	return s.turns.kv.failure(ctx, o.run(ctx, start))
}

// startRevision returns 0 where the client begins anew.
func startRevision(ctx context.Context) (int64, error) {
	given := metadata.ValueFromIncomingContext(ctx, StartRevisionHeader)
	if len(given) == 0 {
		return 0, nil
	}
	start, err := strconv.ParseInt(given[0], 10, 64)
	if err != nil || start < 1 {
		return 0, errBadStartRevision
	}
	return start, nil
}

// observer tells one client. What it knows is a revision, up to which everything is told, and who led then; whatever came
// after is read as of the revision at which it happened, so that no leader is passed over, however short they led.
type observer struct {
	turns  *turns
	prefix []byte
	stream grpc.ServerStreamingServer[v3electionpb.LeaderResponse]
	tail   *tail
}

func (o *observer) run(ctx context.Context, start int64) error {
	at, told := max(start-1, 0), start > 0
	if start == 1 {
		at = 1 // the first revision of all is of an empty store
	}
	for {
		answer, err := o.turns.kv.Range(ctx, firstOf(o.prefix, at))
		if err != nil && at > 0 && !told && status.Code(err) == codes.OutOfRange {
			at = 0
			continue
		}
		if err != nil {
			return err
		}
		if at == 0 {
			at = answer.GetHeader().GetRevision()
		}
		if leaders := answer.GetKvs(); len(leaders) > 0 {
			if !told {
				if err := o.tell(answer.GetHeader(), at, leaders[0]); err != nil {
					return err
				}
			}
			at, err = o.followLeader(ctx, leaders[0].GetKey(), at+1)
		} else {
			at, err = o.followQueue(ctx, at+1)
		}
		if errors.Is(err, errdefs.ErrCompacted) && !told {
			at, err = 0, nil
		}
		if err != nil {
			return err
		}
		told = false
	}
}

func (o *observer) tell(header *etcdserverpb.ResponseHeader, revision int64, leader *mvccpb.KeyValue) error {
	told := &etcdserverpb.ResponseHeader{ClusterId: header.GetClusterId(), MemberId: header.GetMemberId(), RaftTerm: header.GetRaftTerm(), Revision: revision}
	return o.stream.Send(&v3electionpb.LeaderResponse{Header: told, Kv: leader})
}

// followLeader tells what a leader proclaims, from a revision on, and returns the one at which they lead no more.
func (o *observer) followLeader(ctx context.Context, key []byte, from int64) (int64, error) {
	if err := o.tail.from(key, nil, from); err != nil {
		return 0, err
	}
	for {
		events, err := o.tail.next(ctx)
		if err != nil {
			return 0, err
		}
		for _, event := range events {
			revision := event.GetKv().GetModRevision()
			if event.GetType() == consensusv1.Event_DELETE {
				return revision, nil
			}
			// Rights may have gone since the leader was read.
			if _, err := o.turns.kv.gate.Ask(ctx, &consensusv1.AuthorizeRequest{Accesses: []*consensusv1.Access{{Type: consensusv1.Permission_TYPE_READ, Key: key}}}); err != nil {
				return 0, err
			}
			header, err := o.turns.kv.headerSeen(ctx)
			if err != nil {
				return 0, err
			}
			if err := o.tell(header, revision, event.GetKv()); err != nil {
				return 0, err
			}
		}
	}
}

// followQueue waits, from a revision on, until somebody is in the queue again, and returns the revision.
func (o *observer) followQueue(ctx context.Context, from int64) (int64, error) {
	if err := o.tail.from(o.prefix, endOf(o.prefix), from); err != nil {
		return 0, err
	}
	for {
		events, err := o.tail.next(ctx)
		if err != nil {
			return 0, err
		}
		for _, event := range events {
			if event.GetType() == consensusv1.Event_PUT {
				return event.GetKv().GetModRevision(), nil
			}
		}
	}
}
