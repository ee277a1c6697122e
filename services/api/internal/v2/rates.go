package v2

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/status"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
)

// errTooMany is of requests beyond the rate of whom they are made for. The text is etcd's.
var errTooMany = errors.New(status.Convert(rpctypes.ErrGRPCRequestTooManyRequests).Message())

// limited is a request where there are rates. It belongs to the goroutine of the request.
type limited struct {
	classes ratelimit.Classes
	// name is of the user that was shown, and counted tells that the request was: it may be made of the store more than once.
	name    string
	counted bool
}

type limitedKey struct{}

// withRate has a request counted once it is known for whom it is made.
func (s *Server) withRate(r *http.Request) *http.Request {
	if s.Rates == nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), limitedKey{}, &limited{classes: classesOf(r)}))
}

// classesOf tells what a request is. That a GET is of a directory is known when it is found, see countListing.
func classesOf(r *http.Request) ratelimit.Classes {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	inPath := func(prefix string) bool { return r.URL.Path == prefix || strings.HasPrefix(r.URL.Path, prefix+"/") }
	asks := func(parameter string) bool {
		is, _ := strconv.ParseBool(r.URL.Query().Get(parameter))
		return is
	}
	switch {
	case inPath("/v2/keys") && reads && asks("wait"):
		return ratelimit.Watches
	case inPath("/v2/keys") && reads && asks("recursive"):
		return ratelimit.Lists
	case inPath("/v2/auth/users"), inPath("/v2/auth/roles"):
		if reads && strings.Count(strings.Trim(r.URL.Path, "/"), "/") < 3 {
			return ratelimit.Lists
		}
	case !inPath("/v2/keys"):
		return ratelimit.None
	}
	if reads {
		return ratelimit.Reads
	}
	return ratelimit.Writes
}

// countRate counts the request that ctx is of, once. It fails with errTooMany where it is one too many.
func (s *Server) countRate(ctx context.Context, r *http.Request, caller *consensusv1.Caller) error {
	l, _ := ctx.Value(limitedKey{}).(*limited)
	if l == nil || l.counted {
		return nil
	}
	l.name, l.counted = s.shownName(r, caller), true
	return s.take(r, l.name, l.classes)
}

// countListing counts that what was read is a directory, whose listing was not asked for by a parameter. It fails as countRate does.
func (s *Server) countListing(ctx context.Context, r *http.Request) error {
	l, _ := ctx.Value(limitedKey{}).(*limited)
	if l == nil || l.classes == ratelimit.Lists {
		return nil
	}
	return s.take(r, l.name, ratelimit.Lists)
}

func (s *Server) take(r *http.Request, name string, classes ratelimit.Classes) error {
	if !s.Rates.Take(name, r.RemoteAddr, classes) {
		return errTooMany
	}
	return nil
}

// shownName is empty where no user was shown. While authentication is not enabled passwords show nobody, and certificates whom they name.
func (s *Server) shownName(r *http.Request, caller *consensusv1.Caller) string {
	if name := caller.GetName(); name != "" && !caller.GetGuest() && !caller.GetInvalid() {
		return name
	}
	if identity := s.Identifier.IdentifyTLS(r.TLS); identity != nil && r.Header.Get("Authorization") == "" {
		return identity.Caller.GetName()
	}
	return ""
}
