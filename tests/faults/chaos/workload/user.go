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
	// userPauseMax bounds the random time between two operations of a user.
	userPauseMax = 100 * time.Millisecond
	// strangeShare is one in how many requests of a user is for what another may have a right to, and he never has.
	strangeShare = 10
)

// user makes one operation after the other under the prefixes of users: one whose rights change under his own, and at times under another's; one
// that may do everything under all, so that there is something to see while nobody else writes.
type user struct {
	client
	login    Login
	own      []history.Right
	strange  []history.Right
	requests []history.UserRequest
}

func (u *user) run(ctx context.Context) {
	for ctx.Err() == nil {
		u.request(u.chooseRight())
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(u.random.Int64N(int64(userPauseMax)))):
		}
	}
}

func (u *user) chooseRight() history.Right {
	from := u.own
	if len(u.strange) > 0 && u.random.IntN(strangeShare) == 0 {
		from = u.strange
	}
	return history.Right{User: u.login.Name, Prefix: from[u.random.IntN(len(from))].Prefix}
}

// request asks for an operation and records it, as one like all others too unless it was denied.
func (u *user) request(right history.Right) {
	op := u.choose(epochPrefix(right.Prefix, time.Since(u.begin)))
	op.Serializable = false
	timeUp, err := u.try(&op)
	asked := history.UserRequest{Right: right, Operation: op}
	switch {
	case u.login != everybody && errors.Is(err, rpctypes.ErrPermissionDenied):
		asked.Access = history.Denied
	case err != nil:
		asked.Access = history.Undetermined
		u.keep(op, timeUp, err)
	default:
		u.keep(op, timeUp, err)
	}
	if u.login != everybody {
		u.requests = append(u.requests, asked)
	}
}

// makeUsers makes, for each user whose rights change, one client at one endpoint and one of all, an administrator, and a watch; and one client that may
// write under the prefixes of all of them.
func (w *Workload) makeUsers(config Config, every *clientv3.Client) error {
	var rights []history.Right
	for i := range usersOfRun {
		rights = append(rights, userRight(i))
	}
	w.users = append(w.users, &user{client: w.newClient(every, all, answerWithin), login: everybody, own: rights})
	root, err := w.dialUser(config, Root, config.Endpoints...)
	if err != nil {
		return err
	}
	for i, right := range rights {
		login, strange := userLogin(i), []history.Right{rights[(i+1)%len(rights)]}
		here, there := config.Endpoints[i%len(config.Endpoints)], config.Endpoints[(i+1)%len(config.Endpoints)]
		for _, at := range []struct {
			label     string
			endpoints []string
		}{{here, []string{here}}, {all, config.Endpoints}} {
			etcd, err := w.dialUser(config, login, at.endpoints...)
			if err != nil {
				return err
			}
			w.users = append(w.users, &user{
				client: w.newClient(etcd, at.label, answerWithin), login: login, own: rights[i : i+1], strange: strange,
			})
		}
		etcd, err := w.dialUser(config, login, there)
		if err != nil {
			return err
		}
		w.viewers = append(w.viewers, &viewer{client: w.newClient(etcd, there, answerWithin), right: right})
		w.admins = append(w.admins, &administrator{client: w.newClient(root, all, answerWithin), right: right, way: wayOf(i)})
	}
	return nil
}

func (w *Workload) dialUser(config Config, login Login, endpoints ...string) (*clientv3.Client, error) {
	etcd, err := config.DialAs(login, endpoints...)
	if err == nil {
		w.etcds = append(w.etcds, etcd)
	}
	return etcd, err
}

// recordUsers adds to the record what users left.
func (w *Workload) recordUsers(record *Record) {
	for _, u := range w.users {
		record.Operations = append(record.Operations, u.made...)
		record.Failures = append(record.Failures, u.failures...)
		record.UserRequests = append(record.UserRequests, u.requests...)
	}
	for _, a := range w.admins {
		record.Failures = append(record.Failures, a.failures...)
		record.RightChanges = append(record.RightChanges, a.changes...)
	}
	for _, v := range w.viewers {
		record.Failures = append(record.Failures, v.failures...)
		record.UserWatches = append(record.UserWatches, v.watches...)
	}
}
