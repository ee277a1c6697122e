package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A token says whose it is and since when, and is signed with a secret of the state. So every member knows every token, also after
// a restart, and none is stored anywhere. It ends with the time that it was made for, with the password, with the user and with
// the secret, which is another one whenever authentication is enabled. One that is in use lives on: whoever sees it in the second
// half of its life has its end put off, which is written to the log, for many tokens together.

const (
	tokenIDBytes = 16
	secretBytes  = 32
	// tokenBytesMax is more than any token has: names of users are no longer than requests.
	tokenBytesMax = 64 << 10
)

// NewSecret returns what tokens may be signed with.
func NewSecret() []byte { return random(secretBytes) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// Tokens makes tokens and recognizes them, for one member. Its methods may be called concurrently.
type Tokens struct {
	ttl time.Duration
	now func() time.Time

	mu sync.Mutex
	// aging are tokens that were used in the second half of their life, by id: their end should be put off.
	aging map[string]struct{}

	// opened are tokens whose signature was right, by a hash of them: to compute it takes longer than all else. Of two with the same
	// hash the one that was seen last is kept, which needs no lock. Every request asks for one.
	opened [openedMax]atomic.Pointer[opened]
	seed   maphash.Seed
}

// opened is what a token says, and the secret that has signed it.
type opened struct {
	token  string
	claims *consensusv1.Token
	secret []byte
	// seen is what Verify has made of it in the newest state, nil before it has.
	seen atomic.Pointer[seen]
}

// seen is whose a token is in a state.
type seen struct {
	// replaced is the state's, and tells it from others: to keep the state itself would keep what it alone has.
	replaced <-chan struct{}
	caller   *consensusv1.Caller
	rights   *rights
	end      int64
}

// openedMax bounds the tokens that are remembered.
const openedMax = 1 << 14

// agingMax bounds the tokens whose end is to be put off at once. Those beyond it are seen again.
const agingMax = 10_000

// Steady returns a clock that begins with the machine's time and goes on evenly, whatever that one does: who sets the machine's clock
// ends no tokens.
func Steady() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(time.Since(began)) }
}

// NewTokens makes tokens that live for ttl after they were made or used last.
func NewTokens(ttl time.Duration, now func() time.Time) *Tokens {
	return &Tokens{ttl: ttl, now: now, aging: make(map[string]struct{}), seed: maphash.MakeSeed()}
}

// Make returns a token of a user of the state.
func (t *Tokens) Make(s *State, user *consensusv1.User) string {
	claims := encode(&consensusv1.Token{
		Id: random(tokenIDBytes), Name: user.GetName(), PasswordRevision: user.GetPasswordRevision(), Made: t.now().UnixNano(),
	})
	return base64.RawURLEncoding.EncodeToString(append(claims, sign(s, claims)...))
}

func sign(s *State, claims []byte) []byte {
	mac := hmac.New(sha256.New, s.settings.GetTokenSecret())
	mac.Write(claims)
	return mac.Sum(nil)
}

// Possible tells whether tokens of a state can be made: where users were imported that takes an AuthEnableOp first.
func (t *Tokens) Possible(s *State) bool { return len(s.settings.GetTokenSecret()) > 0 }

// Verify returns whose a token is, by their name alone, or errdefs.ErrInvalidAuthToken. Nobody changes what it returns.
func (t *Tokens) Verify(s *State, token string) (*consensusv1.Caller, error) {
	is, err := t.verify(s, token)
	if err != nil {
		return nil, err
	}
	return is.caller, nil
}

func (t *Tokens) verify(s *State, token string) (*seen, error) {
	opened := t.open(s, token)
	if opened == nil {
		return nil, errdefs.ErrInvalidAuthToken
	}
	is := opened.seen.Load()
	if is == nil || is.replaced != s.Replaced() {
		if is = t.see(s, opened.claims); is == nil {
			return nil, errdefs.ErrInvalidAuthToken
		}
		opened.seen.Store(is)
	}
	now := t.now().UnixNano()
	if now >= is.end {
		return nil, errdefs.ErrInvalidAuthToken
	}
	if now >= is.end-int64(t.ttl)/2 {
		t.age(opened.claims.GetId())
	}
	return is, nil
}

// see finds whose a token is, nil for nobody's.
func (t *Tokens) see(s *State, claims *consensusv1.Token) *seen {
	user := s.User(claims.GetName())
	if user == nil || user.GetPasswordRevision() != claims.GetPasswordRevision() {
		return nil
	}
	end := claims.GetMade() + int64(t.ttl)
	if extended, ok := s.uses.Get(string(claims.GetId())); ok {
		end = max(end, extended)
	}
	return &seen{
		replaced: s.Replaced(), caller: &consensusv1.Caller{Name: claims.GetName()}, end: end,
		rights: s.rightsOf(identity{user: user, name: user.GetName(), roles: user.GetRoles()}),
	}
}

// open is open, remembered; nil for a token that is none.
func (t *Tokens) open(s *State, token string) *opened {
	secret := s.settings.GetTokenSecret()
	place := &t.opened[maphash.String(t.seed, token)%openedMax]
	if known := place.Load(); known != nil && known.token == token && bytes.Equal(known.secret, secret) {
		return known
	}
	claims, ok := open(s, token)
	if !ok {
		return nil
	}
	fresh := &opened{token: token, claims: claims, secret: secret}
	place.Store(fresh)
	return fresh
}

// open returns what a token says, if it is one that the state's secret has signed.
func open(s *State, token string) (*consensusv1.Token, bool) {
	if len(token) > tokenBytesMax {
		return nil, false
	}
	signed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(signed) <= sha256.Size || len(s.settings.GetTokenSecret()) == 0 {
		return nil, false
	}
	claims, signature := signed[:len(signed)-sha256.Size], signed[len(signed)-sha256.Size:]
	said := new(consensusv1.Token)
	if !hmac.Equal(signature, sign(s, claims)) || proto.Unmarshal(claims, said) != nil {
		return nil, false
	}
	return said, true
}

func (t *Tokens) age(id []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.aging) >= agingMax {
		return
	}
	t.aging[string(id)] = struct{}{}
}

// Extend returns the command that puts off the end of the tokens that have aged since the last call, nil if there is none.
func (t *Tokens) Extend() *consensusv1.ExtendTokensOp {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.aging) == 0 {
		return nil
	}
	op := &consensusv1.ExtendTokensOp{TtlNanoseconds: int64(t.ttl), Time: t.now().UnixNano()}
	for id := range t.aging {
		op.Ids = append(op.Ids, []byte(id))
	}
	clear(t.aging)
	return op
}

// usesMax bounds the tokens whose end is put off. Those that end first make room.
const usesMax = 100_000

// extendTokens is no change of rights: the auth revision stays.
func extendTokens(c *change, op *consensusv1.ExtendTokensOp) {
	if !c.Enabled() {
		return
	}
	now := op.GetTime()
	c.begin()
	dropUses(c, c.uses.Len(), func(end int64) bool { return end <= now })
	ids := slices.Clone(op.GetIds())
	slices.SortFunc(ids, slices.Compare)
	for _, id := range ids {
		use(c, string(id), now+op.GetTtlNanoseconds())
	}
	dropUses(c, c.uses.Len()-usesMax, func(int64) bool { return true })
}

func use(c *change, id string, end int64) {
	old, was := c.uses.Set(id, end)
	if was {
		c.ending.Delete(endingKey(old, id))
	}
	c.ending.Set(endingKey(end, id), struct{}{})
	var before []byte
	if was {
		before = encodeUse(id, old)
	}
	c.rows.SetRecord(useRecord(id), before, encodeUse(id, end))
}

// dropUses forgets up to so many of the tokens that end first, as long as their end satisfies ends.
func dropUses(c *change, most int, ends func(int64) bool) {
	for ; most > 0; most-- {
		first, _, ok := c.ending.Min()
		if !ok {
			return
		}
		end, id := splitEndingKey(first)
		if !ends(end) {
			return
		}
		c.ending.Delete(first)
		c.uses.Delete(id)
		c.rows.DropRecord(useRecord(id), encodeUse(id, end))
	}
}
