package ingress

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Config says what is served. Handler and ErrorLog are required.
type Config struct {
	Handler http.Handler
	// Streams tells requests whose body may last for as long as its sender likes; nil is none.
	Streams func(*http.Request) bool
	// HTTP2 are its settings, with and without TLS; nil serves HTTP/1.1 alone.
	HTTP2 *http.HTTP2Config
	// HeadBytesMax bounds the head of a request, 0 for the usual size.
	HeadBytesMax int
	// RequestsMax bounds the requests under way, over all connections (see budget.Shared): one more is refused. 0 is any number.
	RequestsMax int64
	// Connections counts those of the listeners that are given to Run, nil does not.
	Connections *Connections
	// ErrorLog takes what net/http has to say: callers' mistakes, mostly.
	ErrorLog *log.Logger
	// DrainTimeout is how long calls under way may go on once Run is to end, 0 for the usual time.
	DrainTimeout time.Duration
	// Ending, unless nil, is called when Run is to end, before calls under way are waited for: it ends what would last.
	Ending func()
	// BaseContext and ConnContext are http.Server's.
	BaseContext func(net.Listener) context.Context
	ConnContext func(context.Context, net.Conn) context.Context
}

// Server serves a handler, on one listener with Run, or on several with Serve, Shutdown and End.
type Server struct {
	http     *http.Server
	requests *gate
	cfg      Config
}

// New makes a server. It starts nothing.
func New(cfg Config) *Server {
	if cfg.Streams == nil {
		cfg.Streams = func(*http.Request) bool { return false }
	}
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, DrainTimeout)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(cfg.HTTP2 != nil)
	protocols.SetUnencryptedHTTP2(cfg.HTTP2 != nil)
	s := &Server{requests: newGate(cfg.RequestsMax), cfg: cfg}
	s.http = &http.Server{
		Handler:           s.requests.guard(boundBodies(cfg.Streams, cfg.Handler)),
		Protocols:         protocols,
		HTTP2:             cfg.HTTP2,
		ReadHeaderTimeout: HeadTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    cmp.Or(cfg.HeadBytesMax, HeadBytesMax),
		BaseContext:       cfg.BaseContext,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if cfg.ConnContext != nil {
				ctx = cfg.ConnContext(ctx, conn)
			}
			return budget.WithConnection(ctx, func() { _ = conn.Close() })
		},
		ErrorLog: cfg.ErrorLog,
	}
	if cfg.Connections != nil {
		s.http.ConnState = cfg.Connections.observe
	}
	return s
}

// Serve serves connections until the server stops, and returns http.ErrServerClosed then.
func (s *Server) Serve(listener net.Listener) error { return s.http.Serve(listener) }

// Shutdown lets nobody in any more and waits for calls under way, until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// End cuts off what is left and returns once no handler runs. It is called once.
func (s *Server) End() {
	_ = s.http.Close()
	s.requests.close()
}

// Run serves a listener, with TLS unless secrets is nil, until ctx ends, and returns once no handler runs. Whatever
// connections do then, that takes no longer than DrainTimeout and what handlers need to notice that their connection is gone.
func (s *Server) Run(ctx context.Context, listener net.Listener, secrets *tls.Config) error {
	served := make(chan error, 1)
	go func() { served <- s.serve(listener, secrets) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
		err = s.stop(ctx)
		<-served
	}
	s.End()
	return err
}

func (s *Server) serve(listener net.Listener, secrets *tls.Config) error {
	if s.cfg.Connections != nil {
		listener = s.cfg.Connections.Listen(listener)
	}
	if secrets == nil {
		return s.http.Serve(listener)
	}
	s.http.TLSConfig = secrets.Clone()
	return s.http.ServeTLS(listener, "", "")
}

func (s *Server) stop(ctx context.Context) error {
	if s.cfg.Ending != nil {
		s.cfg.Ending()
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	if err := s.http.Shutdown(draining); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
