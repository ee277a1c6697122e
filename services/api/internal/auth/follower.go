package auth

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Position is how far rights have changed: it rises with each change of users, roles and permissions, and when authentication is enabled.
type Position uint64

// PositionOf returns where the store was when it answered.
func PositionOf(answer interface {
	GetEnabled() bool
	GetAuthRevision() uint64
},
) Position {
	return positionAt(answer.GetEnabled(), answer.GetAuthRevision())
}

func positionAt(enabled bool, authRevision uint64) Position {
	// Enabling raises no revision, disabling does.
	position := Position(authRevision) << 1
	if enabled {
		position++
	}
	return position
}

// Since is the position for an AuthorizeRequest; nil for none.
func (p Position) Since() *consensusv1.AuthPosition {
	if p == 0 {
		return nil
	}
	return &consensusv1.AuthPosition{Enabled: p&1 == 1, AuthRevision: uint64(p >> 1)}
}

// Source tells how authentication stands. One that is in this process may have a method AuthStands besides, which tells it at once, so
// that no event of a later revision overtakes the news.
type Source interface {
	FollowAuth(context.Context, *consensusv1.FollowAuthRequest, func(*consensusv1.FollowAuthResponse) error) error
}

type prompt interface {
	AuthStands() (enabled bool, authRevision uint64)
}

// followPause is how long the follower waits before it asks anew.
const followPause = 200 * time.Millisecond

// Follower knows how far rights have changed, and wakes those who depend on it. Run it once; its other methods may be called concurrently
// with it and with each other.
type Follower struct {
	source Source
	prompt prompt // nil where the source is elsewhere
	logger *slog.Logger

	told atomic.Uint64 // the newest Position
	off  atomic.Bool   // as long as it is known that authentication is not enabled

	mu struct {
		sync.Mutex
		wakes map[*func()]struct{}
	}
}

// NewFollower returns a follower of source.
func NewFollower(source Source, logger *slog.Logger) *Follower {
	f := &Follower{source: source, logger: logger}
	f.prompt, _ = source.(prompt)
	f.mu.wakes = make(map[*func()]struct{})
	return f
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.source.FollowAuth(ctx, &consensusv1.FollowAuthRequest{}, func(state *consensusv1.FollowAuthResponse) error {
			f.tell(state)
			return nil
		})
		f.off.Store(false) // nobody tells any more
		if ctx.Err() != nil {
			return
		}
		f.logger.Debug("changes of users and roles are not told any more, asking anew", slog.Any("error", err))
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
		}
	}
}

func (f *Follower) tell(state *consensusv1.FollowAuthResponse) {
	position := uint64(PositionOf(state))
	f.off.Store(!state.GetEnabled())
	if f.told.Swap(position) == position {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for wake := range f.mu.wakes {
		(*wake)()
	}
}

// Position returns the newest position that is known. Who was checked at an older one must be checked again before it is shown anything.
func (f *Follower) Position() Position {
	if f.prompt != nil {
		return positionAt(f.prompt.AuthStands())
	}
	return Position(f.told.Load())
}

// Disabled tells whether authentication is not enabled, by what the store says now, and the position then. It is false too where only
// messages tell.
func (f *Follower) Disabled() (Position, bool) {
	if f.prompt == nil {
		return 0, false
	}
	enabled, revision := f.prompt.AuthStands()
	return positionAt(enabled, revision), !enabled
}

// Off says that authentication is not enabled, as far as this node is told, which may be as late as a message takes. It is false where
// nobody tells.
func (f *Follower) Off() bool { return f.off.Load() }

// OnChange has wake called, which must not block, whenever Position has changed, until forget is called.
func (f *Follower) OnChange(wake func()) (forget func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.wakes[&wake] = struct{}{}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.mu.wakes, &wake)
	}
}
