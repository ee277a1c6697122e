package workload

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

const (
	// changeMin and changeSpread are the time between two changes of a right; one in restShare times it is restPause, long enough that a watch which
	// goes on without the right is noticed.
	changeMin, changeSpread = 200 * time.Millisecond, 1500 * time.Millisecond
	restPause, restShare    = 6 * time.Second, 6
)

// way is how a right is granted and revoked.
type way int

const (
	// byPermission changes the permissions of the user's role.
	byPermission way = iota
	// byRole gives the user his role and takes it away.
	byRole
	ways
)

func wayOf(user int) way { return way(user) % ways }

// administrator grants and revokes one right of a user in turn. Nobody else does. A change without an answer is tried again, or undone, at random.
type administrator struct {
	client
	right   history.Right
	way     way
	changes []history.RightChange
}

func (a *administrator) run(ctx context.Context) {
	grant := true
	for ctx.Err() == nil {
		pause := changeMin + time.Duration(a.random.Int64N(int64(changeSpread)))
		if a.random.IntN(restShare) == 0 {
			pause = restPause
		}
		if a.change(grant) || a.random.IntN(2) == 0 {
			grant = !grant
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// change grants or revokes the right and records it. It reports whether it was answered.
func (a *administrator) change(grant bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), a.patience)
	defer cancel()
	made := history.RightChange{Right: a.right, Grant: grant, Call: time.Since(a.begin)}
	err := a.ask(ctx, grant)
	made.Return = time.Since(a.begin)
	// What is revoked twice, after a revoke whose answer was lost, is not there.
	if errors.Is(err, rpctypes.ErrPermissionNotGranted) || errors.Is(err, rpctypes.ErrRoleNotGranted) {
		err = nil
	}
	a.failed("change of a right", made.Call, err, ctx.Err() != nil)
	if err != nil {
		made.Outcome = history.Unknown
	}
	a.changes = append(a.changes, made)
	return err == nil
}

func (a *administrator) ask(ctx context.Context, grant bool) (err error) {
	role, end := roleOf(a.right), clientv3.GetPrefixRangeEnd(a.right.Prefix)
	switch {
	case a.way == byPermission && grant:
		err = permit(ctx, a.etcd, role, a.right.Prefix, end)
	case a.way == byPermission:
		_, err = a.etcd.RoleRevokePermission(ctx, role, a.right.Prefix, end)
	case grant:
		_, err = a.etcd.UserGrantRole(ctx, a.right.User, role)
	default:
		_, err = a.etcd.UserRevokeRole(ctx, a.right.User, role)
	}
	return err
}
