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
func (k *keeper) Admit(name, password string) (rights watch.Rights, enabled bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), admitMax)
	defer cancel()
	if enabled, err = k.enabled(ctx); err != nil || !enabled {
		return watch.Rights{}, false, err
	}
	if _, err := k.auth.Authenticate(ctx, &consensusv1.AuthenticateRequest{Name: name, Password: password, Origin: origin}); err != nil {
		k.refusals.Do(func() {
			k.log.Warn("a NATS client is refused", "user", name[:min(len(name), nameLoggedMax)], "error", err)
		})
		return watch.Rights{}, true, err
	}
	rights, err = k.rights(ctx, name)
	return rights, true, err
}

// enabled tells whether the store has users. Where the members do not agree in time, because they have no leader, nobody can enable
// authentication meanwhile, and what this side knows will do: without users NATS clients come in then too.
func (k *keeper) enabled(ctx context.Context) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, agreeMax)
	defer cancel()
	status, err := k.auth.ReadAuth(bounded, &consensusv1.ReadAuthRequest{Caller: internal, Read: &consensusv1.ReadAuthRequest_Status{Status: &consensusv1.AuthStatusRead{}}})
	if err == nil {
		return status.GetEnabled(), nil
	}
	known, err := k.auth.Authorize(ctx, &consensusv1.AuthorizeRequest{Caller: internal})
	return known.GetEnabled(), err
}

// rights are what can be proven: directories that a role of the user's names, and below which everything may be read.
func (k *keeper) rights(ctx context.Context, name string) (rights watch.Rights, err error) {
	if rights.Everything, err = k.may(ctx, name, []byte{0}, []byte{0}); err != nil || rights.Everything {
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
			if !bytes.HasSuffix(directory, []byte("/")) {
				continue
			}
			ok, err := k.mayBelow(ctx, name, directory)
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
func (k *keeper) mayBelow(ctx context.Context, name string, directory []byte) (bool, error) {
	for _, low := range [][]byte{directory, append([]byte("/"), directory...)} {
		high := bytes.Clone(low)
		high[len(high)-1]++ // a slash is not the last byte
		if ok, err := k.may(ctx, name, low, high); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// may tells whether a user may read a range. A refusal is no error.
func (k *keeper) may(ctx context.Context, name string, low, high []byte) (bool, error) {
	_, err := k.auth.Authorize(ctx, &consensusv1.AuthorizeRequest{
		Caller: &consensusv1.Caller{Name: name}, Accesses: []*consensusv1.Access{{Key: low, RangeEnd: high}},
	})
	if errors.Is(err, errdefs.ErrPermissionDenied) {
		return false, nil
	}
	return err == nil, err
}

// Follow calls review after each change of users and roles, until ctx ends.
func Follow(auth Auth, log *slog.Logger) func(ctx context.Context, review func() error) error {
	return func(ctx context.Context, review func() error) error {
		first := true
		for {
			err := auth.FollowAuth(ctx, &consensusv1.FollowAuthRequest{}, func(*consensusv1.FollowAuthResponse) error {
				if first { // nobody came in by older rights
					first = false
					return nil
				}
				return review()
			})
			if ctx.Err() != nil {
				return nil
			}
			log.Debug("following users and roles for NATS clients again", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(retryAfter):
			}
		}
	}
}
