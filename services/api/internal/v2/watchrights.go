package v2

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// watchRights are those of one waiting request, which ends when they do.
type watchRights struct {
	server *Server
	r      *http.Request
	// path and recursive are what is watched.
	path      string
	recursive bool
	// user is whom the request has shown: the wait goes on for them though the password may become another one, but not for another user of that name. nil asks for whom it
	// is made.
	user *consensusv1.Caller
	// which is the user whom the store has taken the caller for last.
	which uint64
	// file says that the file at the path may be told of, not only what it is as a directory and what lies below.
	file bool
	// checked is where the store was when it last allowed the wait.
	checked auth.Position
}

const (
	// behindPause is how long a member that is behind is given before it is asked again, and behindAsksMax how often.
	behindPause   = 10 * time.Millisecond
	behindAsksMax = 300
)

// check asks whether the wait may be, with the rights of now. It returns errors of denied, and others where nobody can tell.
func (w *watchRights) check(ctx context.Context) error {
	if newest, off := w.server.Follower.Disabled(); off {
		w.file, w.checked = true, newest
		return w.server.countRate(ctx, w.r, nil)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.server.RequestTimeout, errdefs.ErrTimeout)
	defer cancel()
	newest := w.server.Follower.Position()
	for range behindAsksMax {
		if err := w.ask(ctx); err != nil {
			return err
		}
		if w.checked >= newest {
			return nil
		}
		select {
		case <-time.After(behindPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("rights of a wait: the store is behind what it told: %w", errdefs.ErrTimeout)
}

func (w *watchRights) ask(ctx context.Context) error {
	if w.user != nil {
		return w.askFor(ctx, w.user)
	}
	return w.server.forCaller(ctx, w.r, func(caller *consensusv1.Caller) error {
		err := w.askFor(ctx, caller)
		if err == nil && caller != nil && !caller.GetGuest() && !caller.GetInvalid() {
			w.user = &consensusv1.Caller{Name: caller.GetName(), User: w.which}
		}
		return err
	})
}

// askFor asks for what lies below the path and for the file at it. A wait that is not recursive hears of a file there, or of a directory. It
// goes on by rights alone that were there all along since they were asked for last.
func (w *watchRights) askFor(ctx context.Context, caller *consensusv1.Caller) error {
	since := w.checked.Since()
	if !w.recursive {
		checked, err := w.mayRead(ctx, caller, since, w.path, "")
		if err == nil {
			w.file, w.checked = true, max(w.checked, checked)
		}
		if err == nil || !denied(err) {
			return err
		}
	}
	directory := strings.TrimSuffix(w.path, "/")
	below, err := w.mayRead(ctx, caller, since, directory+"/", directory+"0")
	if err != nil {
		return err
	}
	checked, err := w.mayRead(ctx, caller, nil, w.path, "") // what may be told now; the wait does not go on by it
	if err != nil && !denied(err) {
		return err
	}
	w.file = err == nil
	if w.file {
		below = min(checked, below)
	}
	w.checked = max(w.checked, below) // a member that is behind answers for less than was known
	return nil
}

func (w *watchRights) mayRead(ctx context.Context, caller *consensusv1.Caller, since *consensusv1.AuthPosition, key, end string) (auth.Position, error) {
	answer, err := w.server.Auth.Authorize(ctx, &consensusv1.AuthorizeRequest{
		Caller:   caller,
		Since:    since,
		Accesses: []*consensusv1.Access{{Type: consensusv1.Permission_TYPE_READ, Key: []byte(key), RangeEnd: []byte(end)}},
	})
	if err != nil {
		return 0, err
	}
	w.which = answer.GetUser()
	return auth.PositionOf(answer), nil
}

// next waits for the next delivery of a session. It fails as check does once the wait may not be any more.
func (w *watchRights) next(ctx context.Context, session delivery.Session) (*delivery.Delivery, error) {
	for {
		waiting, wake := context.WithCancel(ctx)
		forget := w.server.Follower.OnChange(wake)
		var found *delivery.Delivery
		var err error
		if !w.changed() {
			found, err = session.Next(waiting)
		}
		forget()
		woken := waiting.Err() != nil && ctx.Err() == nil
		wake()
		if err != nil && !woken {
			return nil, err
		}
		if w.changed() {
			if err := w.check(ctx); err != nil {
				return nil, err
			}
		}
		if found != nil {
			return found, nil
		}
	}
}

func (w *watchRights) changed() bool { return w.server.Follower.Position() > w.checked }

// visible leaves out what was or is at the path, where only what lies below it may be read.
func (w *watchRights) visible(events []*event) []*event {
	if w.file {
		return events
	}
	return slices.DeleteFunc(events, func(e *event) bool {
		return e.Node.Key == w.path && (!e.Node.Dir || e.Prev != nil && !e.Prev.Dir)
	})
}
