package wires

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/quoratedb/quorate/tests/harness"
)

// asker calls methods of locks and elections over gRPC, and leases by etcd's client.
type asker struct {
	t         *testing.T
	described map[string]*method
	wire      grpcWire
	client    *clientv3.Client
}

func newAsker(t *testing.T, s *harness.Server) *asker {
	return &asker{t: t, described: describe(t, s.Endpoint()), wire: openGRPC(t, s).(grpcWire), client: harness.Client(t, s)}
}

// ask makes a call and returns its answer as JSON.
func (a *asker) ask(name, request string) (string, error) {
	m := a.described[name]
	answer, err := a.wire.call(a.t, m, "", m.request(a.t, request), "")
	if err != nil {
		return "", err
	}
	return m.text(a.t, answer), nil
}

func (a *asker) lease() string {
	granted, err := a.client.Grant(harness.Context(a.t), 60)
	require.NoError(a.t, err)
	return strconv.FormatInt(int64(granted.ID), 10)
}

const lockLock, lockUnlock = "v3lockpb.Lock/Lock", "v3lockpb.Lock/Unlock"

// Goal: a lock has one holder at a time, each with a higher token than all before, also where the holder's lease ended; who leaves the queue is
// out of it. Method: holders that wait for each other by requests of the Lock service, one whose lease is revoked, one that is cancelled.
func TestTokensOfALockGrow(t *testing.T) {
	ours(t)
	a := newAsker(t, shared)
	ctx := harness.Context(t)
	first := a.lease()
	last, err := a.ask(lockLock, `{"name":"dG9rZW4=","lease":"`+first+`"}`)
	require.NoError(t, err)

	left, leave := context.WithCancel(ctx)
	gone := make(chan error, 1)
	go func() {
		m := a.described[lockLock]
		gone <- a.wire.conn.Invoke(left, "/"+lockLock, m.request(t, `{"name":"dG9rZW4=","lease":"`+a.lease()+`"}`), dynamicpb.NewMessage(m.Output()))
	}()
	a.waiting("token/", 2)
	leave()
	require.Error(t, <-gone)
	a.waiting("token/", 1)

	for i := range 4 {
		lease, held := a.lease(), make(chan string, 1)
		go func() {
			answer, err := a.ask(lockLock, `{"name":"dG9rZW4=","lease":"`+lease+`"}`)
			if err != nil {
				answer = err.Error()
			}
			held <- answer
		}()
		a.waiting("token/", 2)
		require.Empty(t, held, "two hold the lock")
		if i%2 == 0 {
			id, err := strconv.ParseInt(first, 10, 64)
			require.NoError(t, err)
			_, err = a.client.Revoke(ctx, clientv3.LeaseID(id))
			require.NoError(t, err)
		} else {
			_, err := a.ask(lockUnlock, `{"key":"`+pick(t, last, "key")+`"}`)
			require.NoError(t, err)
		}
		next := <-held
		require.Greater(t, revisionOf(t, next), revisionOf(t, last))
		first, last = lease, next
	}
}

// Goal: who waits for one name by requests and by etcd's Go client has turns in the order of their keys, alone, and each request a higher token; whoever
// leaves, or whose lease ends, is passed over and hurts nobody. Method: many who join one after the other, more than are looked at in one go; some
// leave from the middle, and some lose their lease, before the first goes.
func TestTurnsAreInTheOrderOfKeys(t *testing.T) {
	ours(t)
	a := newAsker(t, shared)
	ctx := harness.Context(t)
	const many = 200
	type turn struct {
		who   int
		token int64 // 0 for the Go client's
		err   error
	}
	turns := make(chan turn, many)
	var leave []context.CancelFunc
	var leases []clientv3.LeaseID
	_, err := a.client.Put(ctx, "mixed/first", "")
	require.NoError(t, err)
	for who := range many {
		granted, err := a.client.Grant(ctx, 600)
		require.NoError(t, err)
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		leave, leases = append(leave, cancel), append(leases, granted.ID)
		go func() {
			if who%5 == 3 {
				session, err := concurrency.NewSession(a.client, concurrency.WithLease(granted.ID))
				if err == nil {
					err = concurrency.NewMutex(session, "mixed").Lock(waiting)
				}
				turns <- turn{who: who, err: err}
				return
			}
			m := a.described[lockLock]
			answer := dynamicpb.NewMessage(m.Output())
			err := a.wire.conn.Invoke(waiting, "/"+lockLock, m.request(t, `{"name":"bWl4ZWQ=","lease":"`+strconv.FormatInt(int64(granted.ID), 10)+`"}`), answer)
			got := turn{who: who, err: err}
			if err == nil {
				got.token = revisionOf(t, m.text(t, answer))
			}
			turns <- got
		}()
		a.waiting("mixed/", int64(who)+2)
	}
	gone := map[int]bool{}
	for who := range many {
		switch who % 10 {
		case 1, 2:
			leave[who]()
		case 4:
			_, err := a.client.Revoke(ctx, leases[who])
			require.NoError(t, err)
		default:
			continue
		}
		gone[who] = true
	}
	a.waiting("mixed/", int64(1+many-len(gone)))
	_, err = a.client.Delete(ctx, "mixed/first")
	require.NoError(t, err)
	var token int64
	for who := range many {
		if gone[who] {
			continue
		}
		next := <-turns
		for gone[next.who] {
			require.Error(t, next.err)
			next = <-turns
		}
		require.NoError(t, next.err)
		require.Equal(t, who, next.who)
		if next.token != 0 {
			require.Greater(t, next.token, token)
			token = next.token
		}
		_, err := a.client.Revoke(ctx, leases[who])
		require.NoError(t, err)
	}
}

// waiting waits until there are n keys with a prefix.
func (a *asker) waiting(prefix string, n int64) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		found, err := a.client.Get(harness.Context(a.t), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && found.Count == n
	}, 30*time.Second, 10*time.Millisecond)
}

func revisionOf(t *testing.T, answer string) int64 {
	t.Helper()
	revision, err := strconv.ParseInt(pick(t, answer, "header.revision"), 10, 64)
	require.NoError(t, err)
	return revision
}

// Goal: an observer is told of each leader and of each value, in order, and one that was away of those who led meanwhile. Method: an observer sees
// the first leader, leaves, and comes back with the revision after that; two leaders came and went in between, one proclaimed twice.
func TestObserverThatReconnectsMissesNoLeader(t *testing.T) {
	ours(t)
	a := newAsker(t, shared)
	lead := func(value string) string {
		answer, err := a.ask("v3electionpb.Election/Campaign", `{"name":"b2JzZXJ2ZWQ=","lease":"`+a.lease()+`","value":"`+b64(value)+`"}`)
		require.NoError(t, err)
		key := pick(t, answer, "leader.key")
		return `{"key":"` + key + `","rev":"` + pick(t, answer, "leader.rev") + `","lease":"` + pick(t, answer, "leader.lease") + `"}`
	}
	must := func(name, request string) {
		_, err := a.ask("v3electionpb.Election/"+name, request)
		require.NoError(t, err)
	}
	one := lead("one")
	seen, leave := a.observe(0)
	told := seen()
	require.Equal(t, b64("one"), pick(t, told, "kv.value"))
	leave()

	must("Resign", `{"leader":`+one+`}`)
	two := lead("two")
	must("Proclaim", `{"leader":`+two+`,"value":"`+b64("two again")+`"}`)
	must("Resign", `{"leader":`+two+`}`)
	must("Resign", `{"leader":`+lead("three")+`}`)
	four := lead("four")

	seen, leave = a.observe(revisionOf(t, told) + 1)
	for _, want := range []string{"two", "two again", "three", "four"} {
		require.Equal(t, b64(want), pick(t, seen(), "kv.value"))
	}
	must("Resign", `{"leader":`+four+`}`)
	five := lead("five")
	require.Equal(t, b64("five"), pick(t, seen(), "kv.value"))
	leave()
	must("Resign", `{"leader":`+five+`}`)
}

// observe opens a stream of Observe from a revision on, 0 for now, and returns what takes its next answer and what ends it.
func (a *asker) observe(start int64) (next func() string, leave func()) {
	ctx, cancel := context.WithCancel(harness.Context(a.t))
	if start > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, "quorate-start-revision", strconv.FormatInt(start, 10))
	}
	m := a.described["v3electionpb.Election/Observe"]
	stream, err := a.wire.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+m.full)
	require.NoError(a.t, err)
	require.NoError(a.t, stream.SendMsg(m.request(a.t, `{"name":"b2JzZXJ2ZWQ="}`)))
	require.NoError(a.t, stream.CloseSend())
	return func() string {
		answer := dynamicpb.NewMessage(m.Output())
		require.NoError(a.t, stream.RecvMsg(answer))
		return m.text(a.t, answer)
	}, cancel
}
