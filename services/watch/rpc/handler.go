package rpc

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1/watchv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// PositionInterval is how often an API node is told a position as long as the node is well.
const PositionInterval = 500 * time.Millisecond

// NewHandler makes the handler, whose messages keep the rules, and names the path below which it belongs. It needs HTTP/2.
func NewHandler(s Service, rules interceptor.Rules) (path string, handler http.Handler) {
	path, inner := watchv1connect.NewWatchServiceHandler(server{s, rand.Uint64()}, interceptor.HandlerOptions(rules)...)
	return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		giveUp := func() error { return http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), giveUpKey{}, giveUp)))
	})
}

// giveUpKey finds, in a stream's context, the function that makes a pending read of the stream fail. Connect offers
// none, and the handler should not return before its reader has.
type giveUpKey struct{}

type server struct {
	service Service
	node    uint64 // a number for API nodes to tell this one from others
}

// stream is one API node's.
type stream = connect.BidiStream[watchv1.WatchRequest, watchv1.WatchResponse]

// Read is for the generated handler.
func (s server) Read(ctx context.Context, req *watchv1.ReadRequest) (*watchv1.ReadResponse, error) {
	return s.service.Read(ctx, req)
}

// Watch serves one session for as long as its stream lasts. It ends well when the API node has asked for all that it
// wanted and leaves, and with the session's error when that ends first.
func (s server) Watch(ctx context.Context, st *stream) error {
	store := s.service.Store() // before there is a position of it
	session := s.service.Attach()
	defer session.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel()
	beating.Go(func() { s.askPositions(ctx, session) })
	read := make(chan error, 1)
	go func() {
		read <- s.takeRequests(ctx, st, session)
		cancel()
	}()
	sent := s.sendResponses(ctx, st, session, store)
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

// askPositions has the session tell its position now and every PositionInterval, while the node is well, until ctx ends.
func (s server) askPositions(ctx context.Context, session Attached) {
	ticker := time.NewTicker(PositionInterval)
	defer ticker.Stop()
	for {
		if s.service.Well() {
			session.Position(0)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// takeRequests hands what the API node asks for to the session, until it has no more to ask (nil), the stream breaks or
// the session refuses.
func (s server) takeRequests(ctx context.Context, st *stream, session Attached) error {
	for {
		req, err := st.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, id := range req.GetLeave() {
			session.Leave(id)
		}
		for _, subscription := range req.GetJoin() {
			if err := session.Join(ctx, subscription); err != nil {
				return err
			}
		}
		// Else a later position will do.
		if at := req.GetPositionAt(); at > 0 && s.service.Well() {
			session.Position(at)
		}
	}
}

// sendResponses sends what the session tells, until either ends.
func (s server) sendResponses(ctx context.Context, st *stream, session Attached, store []byte) error {
	for {
		resp, err := session.Next(ctx)
		if err != nil {
			return err
		}
		if resp.Position != nil {
			resp.Position.Node, resp.Position.Store = s.node, store
		}
		if err := st.Send(resp); err != nil {
			return err
		}
	}
}
