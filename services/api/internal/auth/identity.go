package auth

import (
	"context"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Identity is for whom a request is made. Requests share it: nobody changes it.
type Identity struct {
	// Caller goes along with what the request asks of the store.
	Caller *consensusv1.Caller
	// Ends is when the token ends that has shown this; zero where it does not end, or where the store knows.
	Ends time.Time
	// Proof is how the name was shown, one of the Proof constants.
	Proof string
}

type identityKey struct{}

// With returns a context of a request that is made for identity; nil stands for nobody.
func With(ctx context.Context, identity *Identity) context.Context {
	if identity == nil {
		return ctx
	}
	return context.WithValue(ctx, identityKey{}, identity)
}

// Of returns for whom the request is made that ctx is of, nil for nobody.
func Of(ctx context.Context) *Identity {
	identity, _ := ctx.Value(identityKey{}).(*Identity)
	return identity
}

// Caller returns what goes along with whatever the request that ctx is of asks of the store; nil for nobody. A token that has ended since
// the request began, as it may in a stream, shows nobody any more.
func Caller(ctx context.Context) *consensusv1.Caller {
	identity := Of(ctx)
	switch {
	case identity == nil:
		return nil
	case identity.ended():
		return invalid.Caller
	}
	return identity.Caller
}

func (i *Identity) ended() bool { return !i.Ends.IsZero() && !time.Now().Before(i.Ends) }
