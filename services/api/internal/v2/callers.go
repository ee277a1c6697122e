package v2

import (
	"context"
	"errors"
	"net/http"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// Some callers are the same for everybody.
var (
	// guest makes requests that show nobody.
	guest = &consensusv1.Caller{Name: "guest", Guest: true}
	// invalid makes requests whose credentials cannot be read.
	invalid = &consensusv1.Caller{Invalid: true}
)

// noAccess is what etcd says to all who may not.
const noAccess = "Insufficient credentials"

// identify returns for whom a request is made; nil where authentication is not enabled. Credentials come with each request. One
// without any is made for the client's certificate, if certificates name users, else for guests.
func (s *Server) identify(ctx context.Context, r *http.Request) (*consensusv1.Caller, error) {
	if r.Header.Get("Authorization") == "" {
		return s.ofCertificate(ctx, r), nil
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return invalid, nil
	}
	shown, err := s.Auth.Authenticate(ctx, &consensusv1.AuthenticateRequest{Name: name, Password: password, Origin: auth.OriginOf(r.RemoteAddr)})
	switch {
	case errors.Is(err, errdefs.ErrAuthNotEnabled):
		return nil, nil
	case err != nil:
		return nil, err
	}
	// With the revision, a member that is behind cannot let in by a password that is another one meanwhile.
	return &consensusv1.Caller{Name: name, Revision: shown.GetAuthRevision()}, nil
}

// ofCertificate is for whoever the client's certificate names, if it is a user.
func (s *Server) ofCertificate(ctx context.Context, r *http.Request) *consensusv1.Caller {
	identity := s.Identifier.IdentifyTLS(r.TLS)
	if identity == nil {
		return guest
	}
	if _, err := s.Auth.Authorize(ctx, &consensusv1.AuthorizeRequest{Caller: identity.Caller}); denied(err) {
		return guest
	}
	return identity.Caller
}

// forCaller makes a request of the store for whom r is made, once more where what was known of them had just changed: what is refused
// with these errors has done nothing. It fails with errTooMany where the request is one too many.
func (s *Server) forCaller(ctx context.Context, r *http.Request, request func(*consensusv1.Caller) error) error {
	if s.Follower.Off() {
		if err := s.countRate(ctx, r, nil); err != nil {
			return err
		}
		if err := request(nil); !errors.Is(err, errdefs.ErrUserEmpty) {
			return err
		}
	}
	for again := true; ; again = false {
		caller, err := s.identify(ctx, r)
		if err != nil {
			return err
		}
		if err := s.countRate(ctx, r, caller); err != nil {
			return err
		}
		err = request(caller)
		changed := errors.Is(err, errdefs.ErrAuthOldRevision) || caller == nil && errors.Is(err, errdefs.ErrUserEmpty)
		if !changed || !again {
			return err
		}
	}
}

// needsRoot refuses all who have not the role of root, once authentication is enabled.
func (s *Server) needsRoot(ctx context.Context, r *http.Request) error {
	return s.forCaller(ctx, r, func(caller *consensusv1.Caller) error {
		_, err := s.Auth.Authorize(ctx, &consensusv1.AuthorizeRequest{Caller: caller, Root: true})
		return err
	})
}

// denied tells the errors that say that somebody is not who they say, or may not do what they ask for.
func denied(err error) bool {
	for _, refusal := range []error{
		errdefs.ErrPermissionDenied, errdefs.ErrUserEmpty, errdefs.ErrUserNotFound, errdefs.ErrAuthFailed, errdefs.ErrNoPasswordUser,
		errdefs.ErrInvalidAuthToken, errdefs.ErrAuthOldRevision,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
