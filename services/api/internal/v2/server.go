package v2

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
	"github.com/quoratedb/quorate/services/api/port"
)

// Prefix is where the API lies.
const Prefix = "/v2/"

// keysPrefix is where keys do.
const keysPrefix = Prefix + "keys/"

// Config says what the API works with. All fields but Rates are required.
type Config struct {
	Consensus port.Consensus
	Tree      port.Tree
	Watch     port.Watch
	Auth      port.Auth
	// Follower is told of changes of users and roles, and Identifier knows whom certificates name.
	Follower   *auth.Follower
	Identifier *auth.Authenticator
	// Shown may be nil; else it is told of each index of an event that a client is about to be shown.
	Shown func(index int64)
	// Rates may be nil: then requests are not limited.
	Rates  *ratelimit.Limiter
	Logger *slog.Logger
	// Ending ends when the server stops: waiting answers end with it.
	Ending context.Context
	// Follow has end called when the member cannot tell of events any more. The returned function ends that.
	Follow func(end context.CancelCauseFunc) (unfollow func())
	// RequestTimeout bounds everything but waiting for events.
	RequestTimeout time.Duration
	// RequestBytesMax bounds a path, its value and the value to compare with together.
	RequestBytesMax int
	// Now is the clock that TTLs are counted from.
	Now func() time.Time
}

// Server answers requests. It is a http.Handler for everything below Prefix, and has no goroutines of its own.
type Server struct {
	Config
	mux *http.ServeMux
	// cluster is the header with the cluster's id once that is known: it never changes, unless another store takes this one's place.
	cluster atomic.Pointer[[]string]
	// watchers counts the answers that wait.
	watchers atomic.Int64
}

// New returns a server.
func New(config Config) *Server {
	s := &Server{Config: config, mux: http.NewServeMux()}
	// The mux redirects paths that are not clean, as etcd's does: with 307, which keeps the method.
	for path, handle := range map[string]http.HandlerFunc{
		"/v2/keys":         s.keys,
		keysPrefix:         s.keys,
		"/v2/machines":     s.machines,
		"/v2/members":      s.members,
		"/v2/members/":     s.members,
		"/v2/stats/self":   s.stats(s.statsSelf),
		"/v2/stats/leader": s.stats(s.statsLeader),
		"/v2/stats/store":  s.stats(s.statsStore),
		Prefix:             http.NotFound,
	} {
		s.mux.HandleFunc(path, handle)
	}
	for path, handle := range s.authPaths() {
		s.mux.HandleFunc(path, handle)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = s.withRate(r)
	if isKey(r.URL) {
		s.keys(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// isKey tells a path of a key about which the mux has nothing to say: nearly all requests have one.
func isKey(u *url.URL) bool {
	return u.RawPath == "" && strings.HasPrefix(u.Path, keysPrefix) && path.Clean(u.Path) == u.Path
}

// StoreReplaced has headers name the cluster that is there now: it is another store than before.
func (s *Server) StoreReplaced() { s.cluster.Store(nil) }

// allow refuses a request whose method is none of those given.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ","))
	http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	return false
}

// bound gives a request's context the request timeout.
func (s *Server) bound(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(r.Context(), s.RequestTimeout, errdefs.ErrTimeout)
}

// inClientsWords returns etcd's text for an error of a port.
func (s *Server) inClientsWords(ctx context.Context, err error) string {
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errdefs.ErrTimeout) {
		err = errdefs.ErrTimeout
	}
	return status.Convert(etcderr.From(s.Logger, err)).Message()
}

// setCluster sets the header that names the cluster. That the store cannot tell yet shows in what is asked of it next.
func (s *Server) setCluster(ctx context.Context, w http.ResponseWriter) {
	shown := s.cluster.Load()
	if shown == nil {
		position, err := s.Consensus.Position(ctx, &consensusv1.PositionRequest{})
		if err != nil {
			return
		}
		shown = &[]string{strconv.FormatUint(position.GetClusterId(), 16)}
		s.cluster.Store(shown)
	}
	w.Header()["X-Etcd-Cluster-Id"] = *shown
}
