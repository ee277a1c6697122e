package v3

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// rights are of one watch. They belong to the reader until the watch has begun, and to the sender from then on.
type rights struct {
	// key and end are the range that the caller must be allowed to read, as the client has sent it.
	key, end []byte
	// caller is whose the token was: the watch outlives it, but not its user, whatever another one of that name may. nil asks for the stream's caller as it is then: rights that came with a
	// token end with it.
	caller *consensusv1.Caller
	// checked is where the store was when it last allowed the watch.
	checked auth.Position
}

// check asks whether the caller may read the range, and might all along since it was asked last. It returns a reason as etcd words it where
// it may not, and an error where nobody can tell.
func (r *rights) check(ctx context.Context, gate *auth.Gate) (reason string, err error) {
	caller := r.caller
	if caller == nil {
		caller = auth.Caller(ctx)
	}
	answer, err := gate.AskFor(ctx, &consensusv1.AuthorizeRequest{
		Caller:   caller,
		Accesses: []*consensusv1.Access{{Type: consensusv1.Permission_TYPE_READ, Key: r.key, RangeEnd: r.end}},
		Since:    r.checked.Since(),
	})
	if err != nil {
		reason = refusal(err)
		if reason != "" {
			err = nil
		}
		return reason, err
	}
	r.checked = max(r.checked, auth.PositionOf(answer)) // a member that is behind answers for less than was known
	if r.caller == nil && answer.GetName() != "" && !caller.GetExternal() {
		r.caller = &consensusv1.Caller{Name: answer.GetName(), User: answer.GetUser()}
	}
	return "", nil
}

// behindPause is how long a member that is behind is given before it is asked again, and behindAsksMax how often.
const (
	behindPause   = 10 * time.Millisecond
	behindAsksMax = 300
)

// checkAt is check at a position that some member has told of already: another one that is behind may not allow what was forbidden there.
func (r *rights) checkAt(ctx context.Context, gate *auth.Gate, position auth.Position) (reason string, err error) {
	for asked := 0; ; asked++ {
		reason, err = r.check(ctx, gate)
		if err != nil || reason != "" || r.checked >= position {
			return reason, err
		}
		if asked == behindAsksMax {
			return "", fmt.Errorf("rights of a watch: the store is behind what it told: %w", errdefs.ErrTimeout)
		}
		select {
		case <-time.After(behindPause):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// refusal returns etcd's reason for a watch that may not be, "" for any other error.
func refusal(err error) string {
	switch {
	case errors.Is(err, errdefs.ErrInvalidAuthToken):
		return rpctypes.ErrGRPCInvalidAuthToken.Error()
	case errors.Is(err, errdefs.ErrAuthOldRevision):
		return rpctypes.ErrGRPCAuthOldRevision.Error()
	case errors.Is(err, errdefs.ErrUserEmpty):
		return rpctypes.ErrGRPCUserEmpty.Error()
	case errors.Is(err, errdefs.ErrPermissionDenied), errors.Is(err, errdefs.ErrUserNotFound):
		return rpctypes.ErrGRPCPermissionDenied.Error()
	}
	return ""
}

// nothingChecked is where a stream without watches is: later than any change.
const nothingChecked = auth.Position(math.MaxUint64)

// guard has the sender's watches checked again when rights have changed. It belongs to the sender.
type guard struct {
	// checked is the oldest position of any watch, or older.
	checked auth.Position
	// ends is when the rights of the stream's caller end that its token has brought; zero where there are none.
	ends time.Time
}

// newGuard is for a stream whose context is ctx. It calls wake when rights of its token end; stop must be called with the stream's end.
func newGuard(ctx context.Context, wake func()) (g guard, stop func()) {
	identity := auth.Of(ctx)
	if identity == nil || !identity.Caller.GetExternal() || identity.Ends.IsZero() {
		return guard{checked: nothingChecked}, func() {}
	}
	timer := time.AfterFunc(time.Until(identity.Ends), wake)
	return guard{checked: nothingChecked, ends: identity.Ends}, func() { timer.Stop() }
}

// begins has the guard know of one more watch.
func (g *guard) begins(w *watch) { g.checked = min(g.checked, w.rights.checked) }

// over tells, once, that the rights of the token have ended.
func (g *guard) over() bool {
	if g.ends.IsZero() || time.Now().Before(g.ends) {
		return false
	}
	g.ends = time.Time{}
	return true
}

// rightsKey is what the store is asked once for.
type rightsKey struct {
	caller, key, end string
	user             uint64
	checked          auth.Position
}

// recheck ends the watches whose caller may not read their range any more. The stream ends where nobody can tell.
func (s *watchSender) recheck(ctx context.Context) error {
	newest, over := s.server.follower.Position(), s.guard.over()
	if newest <= s.guard.checked && !over {
		return nil
	}
	type verdict struct {
		rights rights
		reason string
	}
	known := make(map[rightsKey]verdict)
	for _, w := range s.watches {
		if w.rights.checked >= newest && !over {
			continue
		}
		of := rightsKey{w.rights.caller.GetName(), string(w.rights.key), string(w.rights.end), w.rights.caller.GetUser(), w.rights.checked}
		found, asked := known[of]
		if !asked {
			found.rights = w.rights
			var err error
			if found.reason, err = found.rights.checkAt(ctx, s.server.gate, newest); err != nil {
				return err
			}
			known[of] = found
		}
		if found.reason != "" {
			if err := s.sendForbidden(w, found.reason); err != nil {
				return err
			}
			continue
		}
		w.rights.caller, w.rights.checked = found.rights.caller, found.rights.checked
	}
	s.guard.checked = newest
	if len(s.watches) == 0 {
		s.guard.checked = nothingChecked
	}
	return nil
}

// sendForbidden ends a watch whose caller may not read its range any more, with no revision that the client could take for its progress.
func (s *watchSender) sendForbidden(w *watch, reason string) error {
	s.end(w)
	s.ids.ended(w)
	s.session.Remove(w.session)
	return s.stream.Send(&etcdserverpb.WatchResponse{Header: s.header(0), WatchId: w.id, Canceled: true, CancelReason: reason})
}
