package v2

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Users and roles are those of v3, and each answer of /v2/auth is what they are to v2. A change is decided on by what was read, and
// made as one step, unless something else has changed in between: then it is decided on anew.

const (
	// authBytesMax bounds the body of a change of users or roles.
	authBytesMax = 1 << 20
	// decisionsMax is how often a change is decided on.
	decisionsMax = 20
)

// authPaths are below /v2/auth.
func (s *Server) authPaths() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/v2/auth/enable": s.enable, "/v2/auth/users": s.users, "/v2/auth/users/": s.users, "/v2/auth/roles": s.roles, "/v2/auth/roles/": s.roles,
	}
}

// edit is a request for users and roles: for whom it is made, and how authentication stood at its beginning.
type edit struct {
	server  *Server
	caller  *consensusv1.Caller
	enabled bool
	// revision is what make has changes depend on.
	revision uint64
}

// read reads users and roles as of the beginning or later.
func (e *edit) read(ctx context.Context, what *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	what.Caller = e.caller
	return e.server.Auth.ReadAuth(ctx, what)
}

// make makes all of the changes, if nothing has changed since the beginning, else none: errdefs.ErrAuthOldRevision, and ErrTooLarge.
func (e *edit) make(ctx context.Context, changes []*consensusv1.AuthOp) error {
	if len(changes) == 0 {
		return nil
	}
	op := &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: &consensusv1.AuthSteps{Steps: changes, Revision: e.revision}}}
	if proto.Size(op) > e.server.RequestBytesMax {
		return errdefs.ErrTooLarge
	}
	return e.propose(ctx, op)
}

func (e *edit) propose(ctx context.Context, op *consensusv1.AuthOp) error {
	_, err := e.server.Consensus.Propose(ctx, &consensusv1.ProposeRequest{
		Caller: e.caller, Command: &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: op}},
	})
	return err
}

// answer is what a request for users and roles is answered with. Without a body its status is 200.
type answer struct {
	status int
	body   any
}

// edit has a request decided on and answers it, for root alone.
func (s *Server) edit(w http.ResponseWriter, r *http.Request, decide func(context.Context, *edit) (answer, error)) {
	ctx, cancel := s.bound(r)
	defer cancel()
	if err := s.needsRoot(ctx, r); err != nil {
		s.writeRefusal(ctx, w, r, err)
		return
	}
	s.setCluster(ctx, w)
	var made answer
	err := errdefs.ErrAuthOldRevision
	for decisions := 0; decisions < decisionsMax && errors.Is(err, errdefs.ErrAuthOldRevision); decisions++ {
		err = s.forCaller(ctx, r, func(caller *consensusv1.Caller) (err error) {
			e := &edit{server: s, caller: caller}
			stands, err := e.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Status{Status: &consensusv1.AuthStatusRead{}}})
			if err != nil {
				return err
			}
			e.enabled, e.revision = stands.GetEnabled(), stands.GetAuthRevision()
			made, err = decide(ctx, e)
			return err
		})
	}
	switch {
	case err != nil:
		s.writeRefusal(ctx, w, r, err)
	case made.body == nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
	default:
		writeJSON(w, made.status, made.body)
	}
}

// writeRefusal answers with an error of anything but keys.
func (s *Server) writeRefusal(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
	if f := (*messageError)(nil); errors.As(err, &f) {
		writeJSON(w, f.status, f)
		return
	}
	switch {
	case denied(err):
		writeJSON(w, http.StatusUnauthorized, &messageError{Message: noAccess})
	case errors.Is(err, errTooMany):
		writeJSON(w, http.StatusTooManyRequests, &messageError{Message: err.Error()})
	case errors.Is(err, errdefs.ErrPasswordTooLong), errors.Is(err, errdefs.ErrTooLarge):
		writeJSON(w, http.StatusBadRequest, &messageError{Message: s.inClientsWords(ctx, err)})
	default:
		s.Logger.Warn("a v2 request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		writeJSON(w, http.StatusInternalServerError, &messageError{Message: "Internal Server Error"})
	}
}

// enable serves /v2/auth/enable. Whoever likes may ask whether authentication is enabled.
func (s *Server) enable(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPut, http.MethodDelete) {
		return
	}
	if r.Method == http.MethodGet {
		s.tellEnabled(w, r)
		return
	}
	s.edit(w, r, func(ctx context.Context, e *edit) (answer, error) {
		switch {
		case r.Method == http.MethodDelete && !e.enabled:
			return answer{}, newMessageError(http.StatusConflict, "auth: already disabled")
		case r.Method == http.MethodDelete:
			return answer{}, e.propose(ctx, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Disable{Disable: &consensusv1.AuthDisableOp{}}})
		case e.enabled:
			return answer{}, newMessageError(http.StatusConflict, "auth: already enabled")
		}
		err := e.propose(ctx, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{Guest: true}}})
		if errors.Is(err, errdefs.ErrRootUserNotExist) {
			err = newMessageError(http.StatusConflict, "auth: No root user available, please create one")
		}
		return answer{}, err
	})
}

func (s *Server) tellEnabled(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := s.bound(r)
	defer cancel()
	s.setCluster(ctx, w)
	stands, err := s.Auth.ReadAuth(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Status{Status: &consensusv1.AuthStatusRead{}}})
	if err != nil {
		s.writeRefusal(ctx, w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, &struct {
		Enabled bool `json:"enabled"`
	}{stands.GetEnabled()})
}

// item returns the name in a path of one user or role, "" for the path of all. Other paths are refused.
func item(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	parts := strings.Split(path.Clean(strings.TrimPrefix(r.URL.Path, "/v2/auth")), "/") // "", "users", name
	switch {
	case len(parts) == 2:
		return "", allow(w, r, http.MethodGet)
	case len(parts) == 3 && utf8.ValidString(parts[2]): // no user and no role is called otherwise
		return parts[2], allow(w, r, http.MethodGet, http.MethodPut, http.MethodDelete)
	}
	writeJSON(w, http.StatusBadRequest, &messageError{Message: "Invalid path"})
	return "", false
}

// decode reads the body of a change.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, authBytesMax)).Decode(into) != nil {
		return newMessageError(http.StatusBadRequest, "Invalid JSON in request body.")
	}
	return nil
}

// users serves /v2/auth/users and everything below.
func (s *Server) users(w http.ResponseWriter, r *http.Request) {
	name, ok := item(w, r)
	if !ok {
		return
	}
	var in *user
	s.edit(w, r, func(ctx context.Context, e *edit) (made answer, err error) {
		made.status = http.StatusOK
		switch {
		case name == "":
			made.body, err = e.listUsers(ctx)
			return made, err
		case r.Method == http.MethodGet:
			made.body, err = e.getUser(ctx, name)
			return made, err
		case r.Method == http.MethodDelete:
			return made, e.deleteUser(ctx, name)
		}
		if in == nil { // a second decision has no body to read
			in = new(user)
			if err := decode(w, r, in); err != nil {
				return made, err
			}
		}
		if in.User != name {
			return made, newMessageError(http.StatusBadRequest, "User JSON name does not match the name in the URL")
		}
		made.status, made.body, err = e.putUser(ctx, in)
		return made, err
	})
}

// roles serves /v2/auth/roles and everything below.
func (s *Server) roles(w http.ResponseWriter, r *http.Request) {
	name, ok := item(w, r)
	if !ok {
		return
	}
	var in *role
	s.edit(w, r, func(ctx context.Context, e *edit) (made answer, err error) {
		made.status = http.StatusOK
		switch {
		case name == "":
			made.body, err = e.listRoles(ctx)
			return made, err
		case r.Method == http.MethodGet:
			made.body, err = e.getRole(ctx, name)
			return made, err
		case r.Method == http.MethodDelete:
			return made, e.deleteRole(ctx, name)
		}
		if in == nil {
			in = new(role)
			if err := decode(w, r, in); err != nil {
				return made, err
			}
		}
		if in.Role != name {
			return made, newMessageError(http.StatusBadRequest, "Role JSON name does not match the name in the URL")
		}
		made.status, made.body, err = e.putRole(ctx, in)
		return made, err
	})
}
