package auth

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// How a name was shown.
const (
	ProofNone        = "none"
	ProofToken       = "token" // one that the store has made
	ProofSignedToken = "signed token"
	ProofCertificate = "certificate"
	ProofInvalid     = "invalid token"
)

const (
	// namesMax bounds the tokens, and the users, of which is remembered who they are.
	namesMax = 4096
	// namesTimeout is how long the store is asked who somebody is.
	namesTimeout = time.Second
	// shownTime is how long its answer counts where no rights change: a token may end by itself.
	shownTime = 5 * time.Second
)

// Reader reads who somebody is.
type Reader interface {
	Authorizer
	ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error)
}

// Names tells the names and roles of those for whom requests are made, for notes and limits: it decides nothing. Its methods may be called
// concurrently.
type Names struct {
	reader   Reader
	follower *Follower

	tokens *lru.Cache[tokenKey, shown]

	mu struct {
		sync.Mutex
		// roles are as they were at position.
		roles    map[string][]string
		position Position
	}
}

// tokenKey is one of the store's tokens, or what a signed one says that the store may refuse.
type tokenKey struct {
	token, name string
	revision    uint64
}

// shown is whose a token was when the store was asked last.
type shown struct {
	name     string
	position Position
	at       time.Time
}

// NewNames returns names as reader knows them. follower tells when roles change.
func NewNames(reader Reader, follower *Follower) *Names {
	tokens, _ := lru.New[tokenKey, shown](namesMax) // it fails for no size above zero
	n := &Names{reader: reader, follower: follower, tokens: tokens}
	n.mu.roles = make(map[string][]string)
	return n
}

// Of returns for whom the request is made that ctx is of, and how that was shown. The name is empty where there is none or where nobody
// can tell: a token that the store has ended shows nobody, so that whoever still has it takes nothing from its user.
func (n *Names) Of(ctx context.Context) (name, proof string) {
	identity := Of(ctx)
	switch {
	case identity == nil:
		return "", ProofNone
	case identity.ended():
		return "", ProofInvalid
	}
	caller, proof := identity.Caller, cmp.Or(identity.Proof, ProofSignedToken)
	switch {
	case caller.GetToken() == "" && (caller.GetRevision() == 0 || n.follower.Off()):
		return caller.GetName(), proof
	case n.follower.Off():
		return "", proof // a token means nothing
	}
	if name = n.ofToken(ctx, caller); name == "" {
		proof = ProofInvalid
	}
	return name, proof
}

func (n *Names) ofToken(ctx context.Context, caller *consensusv1.Caller) string {
	key := tokenKey{caller.GetToken(), caller.GetName(), caller.GetRevision()}
	position := n.follower.Position()
	if known, ok := n.tokens.Get(key); ok && known.position == position && time.Since(known.at) < shownTime {
		return known.name
	}
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	answer, err := n.reader.Authorize(ctx, &consensusv1.AuthorizeRequest{Caller: caller})
	name := answer.GetName()
	if caller.GetToken() == "" && !errors.Is(err, errdefs.ErrAuthOldRevision) {
		name, err = caller.GetName(), nil // the signature has shown it, whether or not there is such a user
	}
	if err != nil || name == "" {
		return "" // it may be one later
	}
	n.tokens.Add(key, shown{name, position, time.Now()})
	return name
}

// Roles returns the roles of whom the request is made for that ctx is of, who is called name: those of the token where it brought them,
// else the user's, none where nobody can tell.
func (n *Names) Roles(ctx context.Context, name string) []string {
	if identity := Of(ctx); identity != nil && identity.Caller.GetExternal() {
		return identity.Caller.GetRoles()
	}
	if name == "" {
		return nil
	}
	position := n.follower.Position()
	n.mu.Lock()
	if n.mu.position != position || len(n.mu.roles) >= namesMax {
		clear(n.mu.roles)
		n.mu.position = position
	}
	roles, ok := n.mu.roles[name]
	n.mu.Unlock()
	if ok {
		return roles
	}
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	answer, err := n.reader.ReadAuth(ctx, &consensusv1.ReadAuthRequest{
		Caller: &consensusv1.Caller{Name: name},
		Read:   &consensusv1.ReadAuthRequest_User{User: &consensusv1.UserRead{Name: name}},
	})
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.position == position {
		n.mu.roles[name] = answer.GetRoles()
	}
	return answer.GetRoles()
}
