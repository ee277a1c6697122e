package natsusers

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch"
)

// Auth is who may do what in the store.
type Auth interface {
	Authenticate(context.Context, *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error)
	Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error)
	ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error)
	FollowAuth(context.Context, *consensusv1.FollowAuthRequest, func(*consensusv1.FollowAuthResponse) error) error
}

const (
	// admitMax is how long a client may wait to be let in.
	admitMax = 5 * time.Second
	// agreeMax is how much of that the members may take to agree on whether the store has users. NATS itself waits for two seconds.
	agreeMax = time.Second
	// refusalsLoggedFirst, refusalsLoggedEvery and nameLoggedMax bound what strangers can write to the log.
	refusalsLoggedFirst = 10
	refusalsLoggedEvery = time.Second
	nameLoggedMax       = 256
	// retryAfter is how long a follower waits before it follows again.
	retryAfter = time.Second
)

// origin is where all NATS clients come from: theirs wait for each other.
const origin = "nats"

// internal is for whom rights are looked up.
var internal = &consensusv1.Caller{Internal: true}

// keeper lets users of the store in.
type keeper struct {
	auth     Auth
	log      *slog.Logger
	refusals rate.Sometimes
}

func newKeeper(auth Auth, log *slog.Logger) *keeper {
	return &keeper{auth: auth, log: log, refusals: rate.Sometimes{First: refusalsLoggedFirst, Interval: refusalsLoggedEvery}}
}

// Admit implements the watch service's keeper.
func (k *keeper) Admit(name, password string) (rights watch.Rights, standing watch.Standing, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), admitMax)
	defer cancel()
	if standing, err = k.standing(ctx); err != nil || !standing.Enabled {
		return watch.Rights{}, standing, err
	}
	if _, err := k.auth.Authenticate(ctx, &consensusv1.AuthenticateRequest{Name: name, Password: password, Origin: origin}); err != nil {
		k.refusals.Do(func() {
			k.log.Warn("a NATS client is refused", "user", name[:min(len(name), nameLoggedMax)], "error", err)
		})
		return watch.Rights{}, standing, err
	}
	rights, err = k.rights(ctx, name, &standing)
	return rights, standing, err
}

// stood is how authentication stood for an answer.
func stood(answer interface {
	GetEnabled() bool
	GetAuthRevision() uint64
},
) watch.Standing {
	return watch.Standing{Enabled: answer.GetEnabled(), Revision: answer.GetAuthRevision()}
}

// standing tells whether the store has users, and of which change. Where the members do not agree in time, because they have no leader, nobody can enable
// authentication meanwhile, and what this side knows will do: without users NATS clients come in then too.
func (k *keeper) standing(ctx context.Context) (watch.Standing, error) {
	bounded, cancel := context.WithTimeout(ctx, agreeMax)
	defer cancel()
	status, err := k.auth.ReadAuth(bounded, &consensusv1.ReadAuthRequest{Caller: internal, Read: &consensusv1.ReadAuthRequest_Status{Status: &consensusv1.AuthStatusRead{}}})
	if err == nil {
		return stood(status), nil
	}
	known, err := k.auth.Authorize(ctx, &consensusv1.AuthorizeRequest{Caller: internal})
	return stood(known), err
}

// rights are what can be proven: directories that a role of the user's names, and below which everything may be read. A member that is behind may say so: at
// becomes what it knew of.
func (k *keeper) rights(ctx context.Context, name string, at *watch.Standing) (rights watch.Rights, err error) {
	if rights.Everything, err = k.may(ctx, name, []byte{0}, []byte{0}, at); err != nil || rights.Everything {
		return rights, err
	}
	user, err := k.auth.ReadAuth(ctx, &consensusv1.ReadAuthRequest{Caller: internal, Read: &consensusv1.ReadAuthRequest_User{User: &consensusv1.UserRead{Name: name}}})
	if err != nil {
		return rights, err
	}
	for _, role := range user.GetRoles() {
		has, err := k.auth.ReadAuth(ctx, &consensusv1.ReadAuthRequest{Caller: internal, Read: &consensusv1.ReadAuthRequest_Role{Role: &consensusv1.RoleRead{Name: role}}})
		if err != nil {
			return rights, err
		}
		for _, permission := range has.GetPermissions() {
			directory := bytes.TrimPrefix(permission.GetKey(), []byte("/"))
			if !bytes.HasSuffix(directory, []byte("/")) || bytes.HasPrefix(directory, []byte("/")) { // below //a/ and below a/ are other subjects
				continue
			}
			ok, err := k.mayBelow(ctx, name, directory, at)
			if err != nil {
				return rights, err
			}
			if ok {
				rights.Directories = append(rights.Directories, directory)
			}
		}
	}
	return rights, nil
}

// mayBelow asks for both keys of a subject: with a slash in front, and without.
func (k *keeper) mayBelow(ctx context.Context, name string, directory []byte, at *watch.Standing) (bool, error) {
	for _, low := range [][]byte{directory, append([]byte("/"), directory...)} {
		high := bytes.Clone(low)
		high[len(high)-1]++ // a slash is not the last byte
		if ok, err := k.may(ctx, name, low, high, at); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// may tells whether a user may read a range. A refusal is no error.
func (k *keeper) may(ctx context.Context, name string, low, high []byte, at *watch.Standing) (bool, error) {
	answer, err := k.auth.Authorize(ctx, &consensusv1.AuthorizeRequest{
		Caller: &consensusv1.Caller{Name: name}, Accesses: []*consensusv1.Access{{Key: low, RangeEnd: high}},
	})
	if errors.Is(err, errdefs.ErrPermissionDenied) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if known := stood(answer); known.Before(*at) {
		*at = known
	}
	return true, nil
}

// Follow calls review with how users and roles are at first and after each change, until ctx ends. What has happened while nobody could be followed is
// not known, nor whether it is the same store: all come in anew then.
func Follow(auth Auth, log *slog.Logger) func(ctx context.Context, review func(now watch.Standing, all bool) error) error {
	return func(ctx context.Context, review func(now watch.Standing, all bool) error) error {
		lost := false // after it was followed
		for told := false; ; {
			err := auth.FollowAuth(ctx, &consensusv1.FollowAuthRequest{}, func(r *consensusv1.FollowAuthResponse) error {
				all := lost
				told, lost = true, false
				return review(watch.Standing{Enabled: r.GetEnabled(), Revision: r.GetAuthRevision()}, all)
			})
			if ctx.Err() != nil {
				return nil
			}
			lost = told
			log.Debug("following users and roles for NATS clients again", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(retryAfter):
			}
		}
	}
}
