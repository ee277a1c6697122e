package ratelimit

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/peer"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

func newLimiter(t testing.TB, mode string, given ...string) *Limiter {
	t.Helper()
	names := auth.NewNames(nil, auth.NewFollower(nil, slog.New(slog.DiscardHandler)))
	l, err := New(Config{Mode: mode, Rates: given, Registerer: prometheus.NewRegistry()}, names)
	require.NoError(t, err)
	return l
}

// allowed is how many of n requests get through.
func allowed(l *Limiter, name, address string, classes Classes, n int) (through int) {
	for range n {
		if l.Take(name, address, classes) {
			through++
		}
	}
	return through
}

// Goal: each gets one second's requests at once and the rate from then on, apart from all others; classes without a rate have none.
// Method: users and addresses on a clock of their own.
func TestEachHasARateOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ModeEnforcing, "reads=10", "lists=2", "carol:reads=20", "root:reads=unlimited")
		require.Equal(t, 10, allowed(l, "alice", "10.0.0.1:1", Reads, 50))
		require.Equal(t, 10, allowed(l, "bob", "10.0.0.1:1", Reads, 50), "another user, there")
		require.Equal(t, 10, allowed(l, "", "10.0.0.1:1", Reads, 50), "nobody, there")
		require.Zero(t, allowed(l, "", "10.0.0.1:2", Reads, 1), "by another connection")
		require.Equal(t, 10, allowed(l, "", "10.0.0.2:1", Reads, 50), "nobody, elsewhere")
		require.Equal(t, 20, allowed(l, "carol", "10.0.0.1:1", Reads, 50), "a rate of her own")
		require.Equal(t, 2, allowed(l, "carol", "10.0.0.1:1", Lists, 50), "everybody's rate")
		require.Equal(t, 50, allowed(l, "root", "10.0.0.1:1", Reads, 50), "no rate")
		require.Equal(t, 50, allowed(l, "alice", "10.0.0.1:1", Writes, 50), "a class that has none")
		<-time.After(500 * time.Millisecond)
		require.Equal(t, 5, allowed(l, "alice", "10.0.0.1:1", Reads, 50))
		<-time.After(time.Hour)
		require.Equal(t, 10, allowed(l, "alice", "10.0.0.1:1", Reads, 50), "what is not used is not saved")
		require.InDelta(t, 40+40+40+1+40+30+45+40, testutil.ToFloat64(l.over[0]), 0)
		require.InDelta(t, 48, testutil.ToFloat64(l.over[3]), 0)
	})
}

// Goal: a client that has many addresses has one rate. Method: addresses of one host in all their forms, and of others.
func TestAddressesOfOneHost(t *testing.T) {
	l := newLimiter(t, ModeEnforcing, "reads=1")
	for _, same := range [][]string{
		{"10.0.0.1:1", "10.0.0.1:65535", "10.0.0.1", "[::ffff:10.0.0.1]:7"},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1]:2", "2001:db8::2"},
		{"[2001:db8:0:1::1]:1"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1"},
		{"", "@", "/run/quorate.sock"},
	} {
		require.True(t, l.Take("", same[0], Reads), same[0])
		for _, address := range same[1:] {
			require.Equal(t, auth.OriginOf(same[0]), auth.OriginOf(address), address)
		}
	}
	require.Equal(t, 5, l.addresses.Len())
}

// Goal: a request of two classes takes of both or of none. Method: one class is used up, and the other is looked at after it was refused.
func TestOfTwoClassesNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ModeEnforcing, "writes=3", "lists=1")
		require.Equal(t, 1, allowed(l, "a", "", Writes|Lists, 10))
		require.Equal(t, 2, allowed(l, "a", "", Writes, 10))
		require.InDelta(t, 9, testutil.ToFloat64(l.over[3]), 0)
		require.InDelta(t, 8, testutil.ToFloat64(l.over[1]), 0)
	})
}

// Goal: the permissive mode counts what the enforcing one would refuse, and refuses nothing; off there is no limiter. Method: the same requests.
func TestModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ModePermissive, "writes=3")
		require.Equal(t, 10, allowed(l, "a", "", Writes, 10))
		require.InDelta(t, 7, testutil.ToFloat64(l.over[1]), 0)
		require.Nil(t, newLimiter(t, ModeOff))
		require.NoError(t, (*Limiter)(nil).Admit(t.Context(), Writes))
		require.True(t, (*Limiter)(nil).Take("", "", Writes))
	})
}

// Goal: many at once get no more than one second's requests. Method: goroutines of one user that nobody had heard of, while the clock stands.
func TestAllowanceIsSharedByAllWhoAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ModeEnforcing, "writes=100")
		var through atomic.Int64
		var asking sync.WaitGroup
		for range 20 {
			asking.Go(func() { through.Add(int64(allowed(l, "a", "", Writes, 50))) })
		}
		asking.Wait()
		require.EqualValues(t, 100, through.Load())
	})
}

// Goal: strangers cannot fill the memory, nor have users forgotten. Method: more addresses than are remembered.
func TestWhoIsRememberedIsBounded(t *testing.T) {
	l := newLimiter(t, ModeEnforcing, "reads=1")
	require.True(t, l.Take("alice", "", Reads))
	for i := range knownMax + 10 {
		l.Take("", net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)).String(), Reads)
	}
	require.Equal(t, knownMax, l.addresses.Len())
	require.Equal(t, 1, l.users.Len())
}

// Goal: calls are held to the rate of whom they show, and told so in etcd's words. Method: calls of users, of nobody, and of a client behind the gateway.
func TestCallsAreOfWhomTheyShow(t *testing.T) {
	l := newLimiter(t, ModeEnforcing, "reads=1", "alice:reads=2")
	address, err := net.ResolveTCPAddr("tcp", "10.0.0.1:1")
	require.NoError(t, err)
	ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: address})
	of := func(name string) context.Context {
		return auth.With(ctx, &auth.Identity{Caller: &consensusv1.Caller{Name: name}, Proof: auth.ProofCertificate})
	}
	for range 2 {
		require.NoError(t, l.Admit(of("alice"), Reads))
	}
	require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, l.Admit(of("alice"), Reads))
	require.NoError(t, l.Admit(of("bob"), Reads))
	require.NoError(t, l.Admit(ctx, Reads))
	require.Error(t, l.Admit(ctx, Reads))
	require.NoError(t, l.Admit(ctx, None))
	require.True(t, strings.HasSuffix(rpctypes.ErrGRPCRequestTooManyRequests.Error(), "etcdserver: too many requests"))
}
