package v3

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/delivery"
)

// watchSender sends what a client's watches are told. It belongs to the stream's handler.
type watchSender struct {
	server  *WatchServer
	session delivery.Session
	stream  grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]
	id      *identity // who answers, as far as it was known last
	ids     *watchIDs
	queue   *controlQueue
	// watches are those whose created answer is sent and whose end is not, by session id. A delivery for any other is
	// dropped.
	watches map[int64]*watch
	// later are those of them that named a first revision, until all progress has got there.
	later map[int64]*watch
	guard guard
	// encoded is set when the stream takes a wire.Encoded.
	encoded bool
}

func newWatchSender(
	server *WatchServer,
	session delivery.Session,
	stream grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse],
	id *identity,
	ids *watchIDs,
	queue *controlQueue,
) *watchSender {
	// Any other stream takes responses only.
	_, isGRPC := stream.(*grpc.GenericServerStream[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse])
	return &watchSender{
		server:  server,
		session: session,
		stream:  stream,
		id:      id,
		ids:     ids,
		queue:   queue,
		watches: make(map[int64]*watch),
		later:   make(map[int64]*watch),
		encoded: isGRPC && server.encoded,
	}
}

// run sends until the stream or the session ends, and says why.
func (s *watchSender) run(ctx context.Context) error {
	for {
		wait := s.queue.waiter()
		if err := s.sendControls(); err != nil {
			return err
		}
		if err := s.recheck(ctx); err != nil {
			return err
		}
		next, err := s.session.Next(wait)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case wait.Err() != nil:
			continue // there is a control, or rights have changed
		default:
			return fmt.Errorf("watch session: %w", err)
		}
		// The delivery may belong to a watch whose created answer came after the last look, or that may not be any more.
		if err := s.sendControls(); err != nil {
			return err
		}
		if err := s.recheck(ctx); err != nil {
			return err
		}
		if err := s.deliver(next); err != nil {
			return err
		}
	}
}

func (s *watchSender) sendControls() error {
	for {
		c, ok := s.queue.get()
		if !ok {
			return nil
		}
		if w := c.begins; w != nil {
			s.watches[w.session] = w
			s.guard.begins(w)
			if w.startRevision > 0 {
				s.later[w.session] = w
			}
		}
		if w := c.ends; w != nil {
			if s.watches[w.session] == nil {
				continue // it has ended by itself meanwhile, and the client knows
			}
			s.end(w)
		}
		if err := s.stream.Send(c.answer); err != nil {
			return err
		}
	}
}

func (s *watchSender) deliver(d *delivery.Delivery) error {
	if d.All {
		return s.sendProgressOfAll(d.Revision)
	}
	w := s.watches[d.ID]
	switch {
	case w == nil:
		return nil
	case d.CompactedRevision != 0:
		return s.sendCompacted(w, d)
	case d.Replaced:
		return s.sendReplaced(w)
	case d.Refused != "":
		return s.sendForbidden(w, d.Refused)
	case d.Batch != nil:
		return s.sendEvents(w, d)
	case d.Revision < w.startRevision:
		// The client would take it for the place to resume from, which lies before the one it asked for.
		return nil
	default:
		return s.stream.Send(&etcdserverpb.WatchResponse{Header: s.header(d.Revision), WatchId: w.id})
	}
}

// sendProgressOfAll answers a progress request, unless that would tell a watch of something before its start.
func (s *watchSender) sendProgressOfAll(revision int64) error {
	if len(s.watches) == 0 {
		return nil
	}
	for id, w := range s.later {
		if revision < w.startRevision {
			return nil
		}
		delete(s.later, id) // progress does not go back
	}
	return s.stream.Send(&etcdserverpb.WatchResponse{Header: s.header(revision), WatchId: everyWatch})
}

// sendCompacted ends a watch whose next revisions are gone. As in etcd the compacted revision is the reason, and the
// header has no revision that the client could take for its progress.
func (s *watchSender) sendCompacted(w *watch, d *delivery.Delivery) error {
	s.end(w)
	s.ids.ended(w)
	return s.stream.Send(&etcdserverpb.WatchResponse{
		Header:          s.header(0),
		WatchId:         w.id,
		Canceled:        true,
		CompactRevision: d.CompactedRevision,
	})
}

// reasonReplaced tells a client that what its watch has shown it does not go on. A mere end of the stream would have client
// libraries go on from the next revision, and miss in silence what the other store has below.
const reasonReplaced = "etcdserver: the store was replaced or restored from an earlier state"

// sendReplaced ends a watch whose store is gone, with no revision that the client could take for its progress.
func (s *watchSender) sendReplaced(w *watch) error {
	s.end(w)
	s.ids.ended(w)
	return s.stream.Send(&etcdserverpb.WatchResponse{Header: s.header(0), WatchId: w.id, Canceled: true, CancelReason: reasonReplaced})
}

func (s *watchSender) end(w *watch) {
	delete(s.watches, w.session)
	delete(s.later, w.session)
}

func (s *watchSender) header(revision int64) *etcdserverpb.ResponseHeader {
	id := s.answering(revision)
	return s.server.headerOf(id, revision, id.term.Load())
}

// answering returns who answers, up to a revision.
func (s *watchSender) answering(revision int64) *identity {
	if known := s.server.identity.Load(); known != nil {
		s.id = known
	}
	s.server.shows(s.id, revision, 0)
	return s.id
}
