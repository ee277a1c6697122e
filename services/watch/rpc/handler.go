package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/edge"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1/watchv1connect"
)

// NewHandler makes the handler, and names the path below which it belongs. It needs HTTP/2.
func NewHandler(s Service) (path string, handler http.Handler) {
	path, inner := watchv1connect.NewWatchServiceHandler(server{s}, edge.HandlerOptions()...)
	return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		giveUp := func() error { return http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), giveUpKey{}, giveUp)))
	})
}

// giveUpKey finds, in a stream's context, the function that makes a pending read of the stream fail. Connect offers
// none, and the handler should not return before its reader has.
type giveUpKey struct{}

type server struct{ service Service }

// stream is one client's stream of watches.
type stream = connect.BidiStream[watchv1.WatchRequest, watchv1.WatchResponse]

// Watch serves one session for as long as its stream lasts. It ends well when the client has asked for all that it
// wanted and leaves, and with the session's error when that ends first.
func (s server) Watch(ctx context.Context, st *stream) error {
	session := s.service.Open()
	defer session.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	read := make(chan error, 1)
	go func() {
		read <- takeRequests(st, session)
		cancel()
	}()
	sent := sendDeliveries(ctx, st, session)
	if giveUp, ok := ctx.Value(giveUpKey{}).(func() error); !ok || giveUp() != nil {
		// Behind a writer that knows no deadlines the read ends when the server closes the stream: after the return.
		select {
		case asked := <-read:
			read <- asked
		default:
			return sent
		}
	}
	asked := <-read
	if errors.Is(sent, context.Canceled) && !errors.Is(asked, context.Canceled) {
		return asked // the reader ended first
	}
	return sent
}

// takeRequests hands what the client asks for to the session, until the client has no more to ask (nil), the stream
// breaks or the session refuses.
func takeRequests(st *stream, session delivery.Session) error {
	for {
		req, err := st.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch r := req.GetRequest().(type) {
		case *watchv1.WatchRequest_Add:
			if err := session.Add(r.Add); err != nil {
				return err
			}
		case *watchv1.WatchRequest_Remove:
			session.Remove(r.Remove)
		case *watchv1.WatchRequest_ProgressAt:
			session.Progress(r.ProgressAt)
		}
	}
}

// sendDeliveries sends what the session delivers, until either ends.
func sendDeliveries(ctx context.Context, st *stream, session delivery.Session) error {
	for {
		d, err := session.Next(ctx)
		if err != nil {
			return err
		}
		resp := &watchv1.WatchResponse{
			Id: d.ID, Revision: d.Revision, All: d.All, CompactedRevision: d.CompactedRevision,
		}
		if d.Batch != nil {
			resp.Events = d.Batch.Events
		}
		if err := st.Send(resp); err != nil {
			return err
		}
	}
}
