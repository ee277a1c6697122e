package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// authCases measure what users cost, and what logging in costs.
var authCases = []benchCase{
	{name: "users-put", title: "put of a user with a role (first column: without users), 100 clients", unit: "put/s", before: putAs(false), run: putAs(true)},
	{name: "users-range", title: "linearizable range of one key by a user with a role (first column: without users), 100 clients", unit: "range/s", before: rangeAs(false), run: rangeAs(true)},
	{name: "login-cold", title: "first log-in of 1,000 users at once; p99 of another's puts meanwhile", unit: "log-in/s", long: true, run: logIn(1)},
	{name: "login-warm", title: "further log-ins of 1,000 users at once; p99 of another's puts meanwhile", unit: "log-in/s", long: true, run: logIn(3)},
}

const (
	rootName, rootPassword = "root", "secret"
	// logins is how many users log in at once.
	logins = 1000
)

// lockDown makes users named after the beginning of their number, who may all read and write everything below key/, and enables
// authentication.
func (l *load) lockDown(users int) error {
	auth := pb.NewAuthClient(l.conns[0])
	steps := []func() error{
		func() error {
			_, err := auth.UserAdd(l.ctx, &pb.AuthUserAddRequest{Name: rootName, Password: rootPassword})
			return err
		},
		func() error {
			_, err := auth.UserGrantRole(l.ctx, &pb.AuthUserGrantRoleRequest{User: rootName, Role: rootName})
			return err
		},
		func() error {
			_, err := auth.RoleAdd(l.ctx, &pb.AuthRoleAddRequest{Name: "some"})
			return err
		},
		func() error {
			_, err := auth.RoleGrantPermission(l.ctx, &pb.AuthRoleGrantPermissionRequest{
				Name: "some", Perm: &authpb.Permission{PermType: authpb.READWRITE, Key: []byte("key/"), RangeEnd: keyEnd("key")},
			})
			return err
		},
		func() error {
			_, err := l.run(users, 8, func(op, _ int) error {
				if _, err := auth.UserAdd(l.ctx, &pb.AuthUserAddRequest{Name: userName(op), Password: userName(op)}); err != nil {
					return err
				}
				_, err := auth.UserGrantRole(l.ctx, &pb.AuthUserGrantRoleRequest{User: userName(op), Role: "some"})
				return err
			})
			return err
		},
		func() error {
			_, err := auth.AuthEnable(l.ctx, &pb.AuthEnableRequest{})
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("make users: %w", err)
		}
	}
	return nil
}

func userName(i int) string { return fmt.Sprintf("user-%d", i) }

// as logs in and returns a context whose calls are the user's.
func (l *load) as(name, password string) (context.Context, error) {
	login, err := pb.NewAuthClient(l.conns[0]).Authenticate(l.ctx, &pb.AuthenticateRequest{Name: name, Password: password})
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	return metadata.AppendToOutgoingContext(l.ctx, "token", login.GetToken()), nil
}

// users returns a load of 100 clients and the context of their calls: that of a user with a role, if there are users.
func users(t *trial, any bool) (*load, context.Context, error) {
	l, err := newLoad(t, 100)
	if err != nil {
		return nil, nil, err
	}
	ctx := l.ctx
	if any {
		if err = l.lockDown(1); err == nil {
			ctx, err = l.as(userName(0), userName(0))
		}
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return l, ctx, nil
}

func putAs(user bool) func(*trial) error {
	return func(t *trial) error {
		l, ctx, err := users(t, user)
		if err != nil {
			return err
		}
		defer l.close()
		value := []byte(strings.Repeat("v", 256))
		ops := t.times(60_000)
		return t.measure(ops, func() error {
			took, err := l.run(ops, 100, func(op, client int) error {
				_, err := l.kv(client).Put(ctx, &pb.PutRequest{Key: []byte(fillKey("key", op)), Value: value})
				return err
			})
			t.latencies(took)
			return err
		})
	}
}

func rangeAs(user bool) func(*trial) error {
	return func(t *trial) error {
		l, ctx, err := users(t, user)
		if err != nil {
			return err
		}
		defer l.close()
		if _, err := l.kv(0).Put(ctx, &pb.PutRequest{Key: []byte(fillKey("key", 0)), Value: make([]byte, 256)}); err != nil {
			return err
		}
		ops := t.times(100_000)
		return t.measure(ops, func() error {
			took, err := l.run(ops, 100, func(_, client int) error {
				_, err := l.kv(client).Range(ctx, &pb.RangeRequest{Key: []byte(fillKey("key", 0))})
				return err
			})
			t.latencies(took)
			return err
		})
	}
}

// logIn has all users log in at once, so many times one after the other, and measures the last time: log-ins a second, how long
// another client's puts take meanwhile, and how long they took before.
func logIn(times int) func(*trial) error {
	return func(t *trial) error {
		l, err := newLoad(t, 100)
		if err != nil {
			return err
		}
		defer l.close()
		users := t.times(logins)
		if err := l.lockDown(users); err != nil {
			return err
		}
		root, err := l.as(rootName, rootPassword)
		if err != nil {
			return err
		}
		if times > 1 {
			if _, err := l.run(users, users, l.login); err != nil {
				return err
			}
		}
		quiet, stop := context.WithTimeout(root, 2*time.Second)
		before, err := l.puts(quiet)
		stop()
		if err != nil {
			return err
		}
		rounds := max(1, times)
		ops := users * rounds
		var during []time.Duration
		err = t.measure(ops, func() error {
			running, stop := context.WithCancel(root)
			var group errgroup.Group
			group.Go(func() (err error) {
				during, err = l.puts(running)
				return err
			})
			_, err := l.run(ops, users, func(op, client int) error { return l.login(op%users, client) })
			stop()
			if other := group.Wait(); err == nil {
				err = other
			}
			return err
		})
		t.latencies(during)
		t.result.note = fmt.Sprintf("p99 of puts before: %.1f ms", milliseconds(percentile99(before)))
		return err
	}
}

// login logs in, as often as it takes: with so many at once servers give up some.
func (l *load) login(op, client int) error {
	auth := pb.NewAuthClient(l.conns[client%len(l.conns)])
	for {
		_, err := auth.Authenticate(l.ctx, &pb.AuthenticateRequest{Name: userName(op), Password: userName(op)})
		if !givenUp(err) || l.ctx.Err() != nil {
			return err
		}
	}
}

// givenUp tells the errors of calls that took a server too long.
func givenUp(err error) bool {
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.Unavailable, codes.ResourceExhausted, codes.Canceled:
		return true
	}
	return false
}

// puts puts one key after the other until ctx ends, and returns how long each took.
func (l *load) puts(ctx context.Context) (took []time.Duration, err error) {
	kv := l.kv(len(l.conns) - 1)
	for op := 0; ; op++ {
		begin := time.Now()
		_, err := kv.Put(ctx, &pb.PutRequest{Key: []byte(fillKey("key", op%100))})
		if ctx.Err() != nil {
			return took, l.ctx.Err()
		}
		if err != nil && !givenUp(err) {
			return took, err
		}
		took = append(took, time.Since(begin)) // at least
	}
}

func percentile99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
