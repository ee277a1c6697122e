package v3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
)

// What etcd says to a watch that it cannot create.
const (
	reasonEmptyRange  = "mvcc: watcher range is empty"
	reasonDuplicateID = "mvcc: duplicate watch ID provided on the WatchStream"
)

// progressConfirmMax is how long a progress request may wait for the other members to confirm how far the store is.
// The stream's further requests wait behind it, so it is short; without an answer the member's own position has to do.
const progressConfirmMax = time.Second

// watchReader takes a client's requests. It belongs to one goroutine.
type watchReader struct {
	server  *WatchServer
	stream  grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]
	session delivery.Session
	ids     *watchIDs
	queue   *controlQueue
}

// run reads until the stream ends. It returns nil when the client has no more requests, which ends nothing.
func (r *watchReader) run(ctx context.Context) error {
	for {
		request, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		switch union := request.GetRequestUnion().(type) {
		case *etcdserverpb.WatchRequest_CreateRequest:
			err = r.create(ctx, union.CreateRequest)
		case *etcdserverpb.WatchRequest_CancelRequest:
			err = r.cancel(ctx, union.CancelRequest.GetWatchId())
		case *etcdserverpb.WatchRequest_ProgressRequest:
			err = r.progress(ctx)
		default:
			// A request of some later version: it is not worth all the other watches of the stream.
			r.server.logger.Info("ignored a watch request of an unknown kind")
		}
		if err != nil {
			return err
		}
	}
}

// create starts a watch, or answers why not. It returns an error only for the stream as a whole.
func (r *watchReader) create(ctx context.Context, request *etcdserverpb.WatchCreateRequest) error {
	key := request.GetKey()
	if len(key) == 0 {
		key = []byte{0} // the smallest key
	}
	w := &watch{id: request.GetWatchId(), startRevision: request.GetStartRevision(), fragment: request.GetFragment()}
	if r.server.rates.Admit(ctx, ratelimit.Watches) != nil || !r.ids.take(w, placesOf(key, request.GetRangeEnd())) {
		return r.refuseMany(ctx)
	}
	begun, err := r.begin(ctx, w, key, request)
	if !begun {
		r.ids.release(w)
	}
	return err
}

// begin starts a watch that has its places, or answers why not, and tells which.
func (r *watchReader) begin(ctx context.Context, w *watch, key []byte, request *etcdserverpb.WatchCreateRequest) (begun bool, err error) {
	// The range as it came in: "\x00" as its end stands for all keys, and must not be taken for one.
	w.rights = rights{key: key, end: request.GetRangeEnd()}
	forbidden, err := w.rights.check(ctx, r.server.gate)
	if err != nil {
		return false, err
	}
	// Where the store is: one from now on begins there, and must miss nothing after the answer's revision, so that this is before the
	// session hears of the watch. It is after its rights were looked at, because a member that is behind catches up before it refuses:
	// the watch would begin where there was no right to it.
	header, err := r.server.headerNow(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case forbidden != "":
		return false, r.refuse(header, forbidden)
	case w.startRevision < 0:
		return false, r.refuse(header, rpctypes.ErrCompacted.Error())
	case isEmptyRange(key, request.GetRangeEnd()):
		return false, r.refuse(header, reasonEmptyRange)
	case !r.ids.begin(w):
		return false, r.refuse(header, reasonDuplicateID)
	}
	created := &etcdserverpb.WatchResponse{Header: header, WatchId: w.id, Created: true}
	if err := r.queue.put(control{answer: created, begins: w}); err != nil {
		return true, err
	}
	err = r.session.Add(sessionWatch(w, key, request, header.GetRevision()))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errdefs.ErrStopped):
		return true, err
	}
	r.ids.end(w.id)
	reason := status.Convert(etcderr.From(r.server.logger, err)).Message()
	return true, r.queue.put(control{
		answer: &etcdserverpb.WatchResponse{Header: header, WatchId: w.id, Canceled: true, CancelReason: reason},
		ends:   w,
	})
}

// sessionWatch says what the watch service is to look for, with the store at revision now.
func sessionWatch(w *watch, key []byte, request *etcdserverpb.WatchCreateRequest, now int64) *watchv1.Watch {
	start := w.startRevision
	if start == 0 {
		start = now + 1
	}
	return &watchv1.Watch{
		Id:             w.session,
		Key:            key,
		RangeEnd:       request.GetRangeEnd(),
		StartRevision:  start,
		NoPut:          slices.Contains(request.GetFilters(), etcdserverpb.WatchCreateRequest_NOPUT),
		NoDelete:       slices.Contains(request.GetFilters(), etcdserverpb.WatchCreateRequest_NODELETE),
		PrevKv:         request.GetPrevKv(),
		ProgressNotify: request.GetProgressNotify(),
	}
}

// isEmptyRange tells that no key lies in a watch's range. An end of one zero byte means every key from key on.
func isEmptyRange(key, end []byte) bool {
	if len(end) == 0 || (len(end) == 1 && end[0] == 0) {
		return false
	}
	return bytes.Compare(key, end) >= 0
}

// refuse answers a create request with a watch that is over before it has begun.
func (r *watchReader) refuse(header *etcdserverpb.ResponseHeader, reason string) error {
	return r.queue.put(control{answer: &etcdserverpb.WatchResponse{
		Header:       header,
		WatchId:      everyWatch,
		Created:      true,
		Canceled:     true,
		CancelReason: reason,
	}})
}

// refuseMany refuses one watch too many, at no cost to the store. The stream's others go on. The text is one that etcd's Go client knows.
func (r *watchReader) refuseMany(ctx context.Context) error {
	header, err := r.server.headerSeen(ctx)
	if err != nil {
		return err
	}
	return r.refuse(header, rpctypes.ErrTooManyRequests.Error())
}

// cancel ends a watch. One that does not exist is passed over in silence.
func (r *watchReader) cancel(ctx context.Context, id int64) error {
	w := r.ids.end(id)
	if w == nil {
		return nil
	}
	r.session.Remove(w.session)
	header, err := r.server.headerSeen(ctx)
	if err != nil {
		return err
	}
	return r.queue.put(control{
		answer: &etcdserverpb.WatchResponse{Header: header, WatchId: id, Canceled: true},
		ends:   w,
	})
}

// progress asks the session for an answer that is not older than the request. Without watches there is none.
func (r *watchReader) progress(ctx context.Context) error {
	if r.ids.none() {
		return nil
	}
	confirm, cancel := context.WithTimeout(ctx, progressConfirmMax)
	defer cancel()
	index, err := r.server.place.ReadIndex(confirm, &consensusv1.ReadIndexRequest{})
	if err == nil {
		r.session.Progress(index.GetRevision())
		return nil
	}
	position, err := r.server.position(ctx)
	if err != nil {
		return err
	}
	r.session.Progress(position.GetRevision())
	return nil
}
