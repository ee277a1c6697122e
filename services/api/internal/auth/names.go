package auth

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

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

	// tokens have the names that the store's tokens carry, which never change.
	tokens *lru.Cache[string, string]

	mu struct {
		sync.Mutex
		// roles are as they were at position.
		roles    map[string][]string
		position Position
	}
}

// NewNames returns names as reader knows them. follower tells when roles change.
func NewNames(reader Reader, follower *Follower) *Names {
	tokens, _ := lru.New[string, string](namesMax) // it fails for no size above zero
	n := &Names{reader: reader, follower: follower, tokens: tokens}
	n.mu.roles = make(map[string][]string)
	return n
}

// Of returns for whom the request is made that ctx is of, and how that was shown. The name is empty where there is none or where nobody
// can tell.
func (n *Names) Of(ctx context.Context) (name, proof string) {
	identity := Of(ctx)
	switch {
	case identity == nil:
		return "", ProofNone
	case identity.ended():
		return "", ProofInvalid
	case identity.Caller.GetToken() == "":
		proof = identity.Proof
		if proof == "" {
			proof = ProofSignedToken
		}
		return identity.Caller.GetName(), proof
	}
	name = n.ofToken(ctx, identity.Caller)
	if name == "" && !n.follower.Off() {
		return "", ProofInvalid
	}
	return name, identity.Proof
}

func (n *Names) ofToken(ctx context.Context, caller *consensusv1.Caller) string {
	if n.follower.Off() {
		return "" // a token means nothing
	}
	if name, ok := n.tokens.Get(caller.GetToken()); ok {
		return name
	}
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	answer, err := n.reader.Authorize(ctx, &consensusv1.AuthorizeRequest{Caller: caller})
	if err != nil || answer.GetName() == "" {
		return "" // it may be one later
	}
	n.tokens.Add(caller.GetToken(), answer.GetName())
	return answer.GetName()
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
