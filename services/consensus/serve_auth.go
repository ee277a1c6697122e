package consensus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// nameWaitsMax is how long a name may be, in bytes, that no user has and that waits to be compared all the same.
const nameWaitsMax = 4 << 10

// Auth is the member's side of authentication and authorization. Its methods may be called concurrently.
type Auth struct {
	callers     *callers
	replica     *replication.Replica
	tokenKeeper *tokenKeeper
	stopped     <-chan struct{}
}

// Authenticate checks a name and password: errdefs.ErrAuthNotEnabled, ErrAuthFailed, ErrNoPasswordUser, and ErrTooManyRequests where
// too many log-ins wait.
func (a *Auth) Authenticate(ctx context.Context, req *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	resp, unsigned := &consensusv1.AuthenticateResponse{}, false
	err := a.callers.confirmed(ctx, func(state *auth.State) error {
		if !state.Enabled() {
			return errdefs.ErrAuthNotEnabled
		}
		user := state.User(req.GetName())
		if user == nil && len(req.GetName()) > nameWaitsMax {
			return errdefs.ErrAuthFailed
		}
		err := a.callers.passwords.Check(ctx, user, req.GetPassword(), req.GetOrigin())
		switch {
		case user.GetNoPassword():
			return errdefs.ErrNoPasswordUser
		case err != nil:
			return err
		}
		resp.AuthRevision = state.Revision()
		if unsigned = req.GetToken() && !a.callers.tokens.Possible(state); req.GetToken() && !unsigned {
			resp.Token = a.callers.tokens.Make(state, user)
		}
		return nil
	})
	if err == nil && unsigned {
		// Users came from a snapshot, and no secret did: the first who logs in has one drawn.
		if err = a.tokenKeeper.beginSigning(ctx); err == nil {
			return a.Authenticate(ctx, req)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	return resp, nil
}

// Authorize tells whether a caller may do what is not checked where it is done: errdefs.ErrPermissionDenied, ErrUserEmpty,
// ErrUserNotFound, ErrInvalidAuthToken, ErrAuthOldRevision.
func (a *Auth) Authorize(ctx context.Context, req *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	resp := &consensusv1.AuthorizeResponse{}
	err := a.callers.confirmed(ctx, func(state *auth.State) error {
		caller, err := state.Resolve(req.GetCaller(), a.callers.tokens.Verify)
		if err != nil {
			return err
		}
		resp.Enabled, resp.AuthRevision = state.Enabled(), state.Revision()
		if state.Enabled() {
			resp.Name = caller.GetName()
			if !caller.GetExternal() && !caller.GetGuest() {
				resp.User = state.Which(caller.GetName())
			}
		}
		return a.callers.mayAllAlong(ctx, state, caller, req)
	})
	if err != nil {
		return nil, fmt.Errorf("authorize: %w", err)
	}
	return resp, nil
}

// mayAllAlong is may by all states since the one that the request names. A member that catches up applies many changes at once, and whoever
// follows them may be slow: a right that was taken and given back meanwhile has gone all the same.
func (c *callers) mayAllAlong(ctx context.Context, state *auth.State, caller *consensusv1.Caller, req *consensusv1.AuthorizeRequest) error {
	if since := req.GetSince(); since != nil {
		between, ok := auth.Since(state, since.GetEnabled(), since.GetAuthRevision())
		if !ok {
			return errdefs.ErrAuthOldRevision
		}
		for _, was := range between {
			if err := c.may(ctx, was, caller, req); err != nil {
				return err
			}
		}
	}
	return c.may(ctx, state, caller, req)
}

// may decides an AuthorizeRequest of a caller who was resolved.
func (c *callers) may(ctx context.Context, state *auth.State, caller *consensusv1.Caller, req *consensusv1.AuthorizeRequest) error {
	if !state.Enabled() {
		return nil
	}
	if req.GetRoot() {
		return state.CheckRoot(caller)
	}
	if len(req.GetAccesses()) == 0 && req.GetLease() == 0 && !req.GetAllLeases() {
		return state.CheckAnyone(caller)
	}
	tenure, ok := c.gate.Enter()
	if !ok {
		return fmt.Errorf("look at leases: %w", errdefs.ErrStopped)
	}
	defer tenure.Leave()
	return tenure.Reading(ctx, func(ctx context.Context) error {
		attached := func(lease int64, within []auth.Interval) (bool, error) {
			if lease == auth.AllLeases {
				return mvcc.AnyAttachedIn(ctx, tenure.Store, statemachine.Spans(within))
			}
			return mvcc.AttachedIn(ctx, tenure.Store, lease, statemachine.Spans(within))
		}
		return state.Check(caller, auth.OfRequest(req), attached)
	})
}

// ReadAuth reads users and roles, for those who may: themselves and their roles, and root all. Errors are those of Authorize, and
// errdefs.ErrUserNotFound, ErrRoleNotFound.
func (a *Auth) ReadAuth(ctx context.Context, req *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	resp := &consensusv1.ReadAuthResponse{RaftTerm: a.replica.Term()}
	err := a.callers.reader.read(ctx, false, func(t *gate.Tenure) error {
		state, err := t.Machine.Auth()
		if err != nil {
			return err
		}
		resp.Enabled, resp.AuthRevision, resp.Revision = state.Enabled(), state.Revision(), t.Store.Revision()
		caller, err := state.Resolve(req.GetCaller(), a.callers.tokens.Verify)
		if req.GetStatus() != nil && !errors.Is(err, errdefs.ErrInvalidAuthToken) {
			return nil // anybody's, but not with a token that shows nothing
		}
		if err != nil {
			return err
		}
		return readAuth(state, caller, req, resp)
	})
	if err != nil {
		return nil, fmt.Errorf("read users and roles: %w", err)
	}
	return resp, nil
}

func readAuth(state *auth.State, caller *consensusv1.Caller, req *consensusv1.ReadAuthRequest, resp *consensusv1.ReadAuthResponse) error {
	switch r := req.GetRead().(type) {
	case *consensusv1.ReadAuthRequest_User:
		return readUser(state, caller, r.User.GetName(), resp)
	case *consensusv1.ReadAuthRequest_Role:
		if err := state.MayReadRole(caller, r.Role.GetName()); err != nil {
			return err
		}
		role := state.Role(r.Role.GetName())
		if role == nil {
			return errdefs.ErrRoleNotFound
		}
		resp.Permissions = role.GetPermissions()
		return nil
	case *consensusv1.ReadAuthRequest_All:
		return readAllAuth(state, caller, resp)
	case *consensusv1.ReadAuthRequest_Users:
		if err := state.CheckRoot(caller); err != nil {
			return err
		}
		state.Users(func(user *consensusv1.User) bool {
			resp.Users = append(resp.Users, user.GetName())
			return true
		})
		return nil
	case *consensusv1.ReadAuthRequest_Roles:
		if err := state.CheckRoot(caller); err != nil {
			return err
		}
		state.Roles(func(role *consensusv1.Role) bool {
			resp.Roles = append(resp.Roles, role.GetName())
			return true
		})
		return nil
	}
	return errdefs.ErrPermissionDenied
}

func readAllAuth(state *auth.State, caller *consensusv1.Caller, resp *consensusv1.ReadAuthResponse) error {
	if err := state.CheckRoot(caller); err != nil {
		return err
	}
	state.Users(func(user *consensusv1.User) bool {
		resp.AllUsers = append(resp.AllUsers, &consensusv1.User{Name: user.GetName(), NoPassword: user.GetNoPassword(), Roles: user.GetRoles()})
		return true
	})
	state.Roles(func(role *consensusv1.Role) bool {
		resp.AllRoles = append(resp.AllRoles, role)
		return true
	})
	return nil
}

// readUser answers those whose name another issuer has given with the roles that came with it.
func readUser(state *auth.State, caller *consensusv1.Caller, name string, resp *consensusv1.ReadAuthResponse) error {
	if err := state.MayReadUser(caller, name); err != nil {
		return err
	}
	if caller.GetExternal() && caller.GetName() == name {
		resp.Roles = caller.GetRoles()
		return nil
	}
	user := state.User(name)
	if user == nil {
		return errdefs.ErrUserNotFound
	}
	resp.Roles = user.GetRoles()
	return nil
}

// AuthStands returns how authentication stands by what is committed here, before any event of a later revision is told to watchers. Where
// nobody can tell it returns more than there can be, so that whoever relies on rights asks for them, and hears why not.
func (a *Auth) AuthStands() (enabled bool, authRevision uint64) {
	state, err := a.callers.state() // in memory: nobody enters for each event that is told
	if err != nil {
		return true, math.MaxUint64 >> 1
	}
	return state.Enabled(), state.Revision()
}

// FollowAuth tells how authentication stands, at once and after each change, until ctx ends, send fails or the member stops.
func (a *Auth) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	var told *consensusv1.FollowAuthResponse
	for {
		tenure, ok := a.callers.gate.Enter()
		if !ok {
			return fmt.Errorf("follow users and roles: %w", errdefs.ErrStopped)
		}
		over := tenure.Over
		state, err := tenure.Machine.Auth()
		tenure.Leave()
		if err != nil {
			return err
		}
		if told == nil || told.GetEnabled() != state.Enabled() || told.GetAuthRevision() != state.Revision() {
			told = &consensusv1.FollowAuthResponse{Enabled: state.Enabled(), AuthRevision: state.Revision()}
			if err := send(told); err != nil {
				return err
			}
		}
		select {
		case <-state.Replaced():
		case <-over.Done():
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.stopped:
			return fmt.Errorf("follow users and roles: %w", errdefs.ErrStopped)
		}
	}
}
