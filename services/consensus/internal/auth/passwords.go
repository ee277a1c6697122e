package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/crypto/bcrypt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/parallelbcrypt"
)

// Passwords compares passwords, which takes tens of milliseconds of a processor each on purpose. So there are few at a time, those that
// were right are remembered until the user changes, and a name that no user has takes as long as a wrong password.
type Passwords struct {
	cost     int
	comparer *parallelbcrypt.Comparer
	// comparing bounds the comparisons under way, and those who wait for one; hashing what is hashed.
	comparing, hashing *turns
	// nobodys makes what the passwords of nobody are compared with, once.
	nobodys func() []byte

	// known is what was right, by a key that keeps it from whoever reads the memory later.
	known *lru.Cache[[sha256.Size]byte, struct{}]
	key   []byte
}

const (
	// DefaultCost is etcd's, and bcrypt's.
	DefaultCost = bcrypt.DefaultCost
	// checksWaitingMax bounds the log-ins that wait for others.
	checksWaitingMax = 10_000
	// knownMax bounds what is remembered.
	knownMax = 20_000
)

// CheckCost says what is wrong with a cost.
func CheckCost(cost int) error {
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return fmt.Errorf("bcrypt cost %d is not from %d to %d", cost, bcrypt.MinCost, bcrypt.MaxCost)
	}
	return nil
}

// NewPasswords makes passwords of a cost that CheckCost has let pass.
func NewPasswords(cost int) *Passwords {
	processors := runtime.GOMAXPROCS(0)
	comparer := parallelbcrypt.NewComparer(processors)
	known, _ := lru.New[[sha256.Size]byte, struct{}](knownMax) // it fails for no size above zero
	return &Passwords{
		cost: cost, known: known, key: random(secretBytes),
		nobodys: sync.OnceValue(func() []byte {
			hash, _ := bcrypt.GenerateFromPassword(random(tokenIDBytes), cost) // the cost is valid and the password short
			return hash
		}),
		comparer: comparer, comparing: newTurns(comparer.Places(), checksWaitingMax), hashing: newTurns(max(1, processors/2), checksWaitingMax),
	}
}

// Hash returns what is stored of a password: errdefs.ErrPasswordTooLong.
func (p *Passwords) Hash(ctx context.Context, password string) (hash []byte, err error) {
	if err := p.hashing.enter(ctx, ""); err != nil {
		return nil, err
	}
	defer p.hashing.leave()
	hash, err = bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if errors.Is(err, bcrypt.ErrPasswordTooLong) {
		err = errdefs.ErrPasswordTooLong
	}
	return hash, err
}

// Check returns errdefs.ErrAuthFailed unless the password is the user's, who is nil for a name that no user has, and
// errdefs.ErrTooManyRequests where too many wait. Log-ins of one origin wait for each other before others wait for them.
func (p *Passwords) Check(ctx context.Context, user *consensusv1.User, password, origin string) error {
	if len(password) > parallelbcrypt.PasswordBytesMax {
		return errdefs.ErrAuthFailed // nobody has it, and it may be as long as a request
	}
	hash := user.GetPasswordHash()
	real := user != nil && !user.GetNoPassword() && len(hash) > 0
	if !real {
		hash = p.nobodys()
	}
	remembered := p.digest(user, password)
	if _, known := p.known.Get(remembered); real && known {
		return nil
	}
	if err := p.comparing.enter(ctx, origin); err != nil {
		return err
	}
	defer p.comparing.leave()
	right := p.comparer.Matches(ctx, hash, []byte(password))
	if ctx.Err() != nil {
		return fmt.Errorf("compare a password: %w", context.Cause(ctx))
	}
	if !right || !real {
		return errdefs.ErrAuthFailed
	}
	p.known.Add(remembered, struct{}{})
	return nil
}

// digest names a user, as it is stored, with a password.
func (p *Passwords) digest(user *consensusv1.User, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	for _, part := range [...]string{user.GetName(), string(user.GetPasswordHash()), password} {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	mac.Sum(sum[:0])
	return sum
}
