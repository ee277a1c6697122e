package doors

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// floodStreams is how many streams a client opens on its connection, silentCalls how many calls of which no more comes than their head.
	floodStreams, silentCalls = 20_000, 100_000
	// floodMemory is what the server is told that it may take, which bounds its streams, and floodBytesMax how much more than before the floods it
	// has then; floodGoroutines is how many goroutines more: those of the pools.
	floodMemory     = "256MiB"
	floodBytesMax   = 256 << 20
	floodGoroutines = 1_000
	// servedWithin bounds a put of another client's meanwhile, on a machine that has more to do.
	servedWithin = 10 * time.Second
	floodWithin  = time.Minute
)

// flood opens streams for a method on a connection of its own, and resets each at once or leaves it as it is. The connection stays open.
func flood(t *testing.T, address, method, kind string, streams uint32, reset bool) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(floodWithin)))
	go func() { _, _ = io.Copy(io.Discard, conn) }() // what the server says to it; it ends with the connection
	var block, frames bytes.Buffer
	headers, framer := hpack.NewEncoder(&block), http2.NewFramer(&frames, nil)
	frames.WriteString(http2.ClientPreface)
	require.NoError(t, framer.WriteSettings())
	for i := range streams {
		block.Reset()
		for _, field := range []hpack.HeaderField{
			{Name: ":method", Value: "POST"},
			{Name: ":scheme", Value: "http"},
			{Name: ":path", Value: method},
			{Name: ":authority", Value: address},
			{Name: "te", Value: "trailers"},
			{Name: "content-type", Value: kind},
		} {
			require.NoError(t, headers.WriteField(field))
		}
		require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndHeaders: true}))
		if reset {
			require.NoError(t, framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
		}
		if frames.Len() < 64<<10 && i < streams-1 {
			continue
		}
		if _, err := conn.Write(frames.Bytes()); err != nil {
			break // the server has had enough
		}
		frames.Reset()
	}
	return conn
}

// gauge reads one of a server's metrics.
func gauge(t *testing.T, s *harness.Server, name string) float64 {
	t.Helper()
	_, body := get(s.URL() + "/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			number, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(t, err)
			return number
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// Goal: a client that opens streams without end, and resets them at once or says nothing on them, costs others no service, and the server neither
// memory nor goroutines once it has gone. Method: many of each, of calls and of watches, on one connection; another client puts
// meanwhile.
func TestFloodsOfStreamsAndResets(t *testing.T) {
	t.Setenv("GOMEMLIMIT", floodMemory)
	server := newServer(t)
	require.NoError(t, server.Start(t.Context()))
	client := harness.Client(t, server)
	goroutines, memory := gauge(t, server, "go_goroutines"), gauge(t, server, "process_resident_memory_bytes")
	for _, one := range []struct {
		name, method, kind string
		streams            uint32
		reset              bool
	}{
		{"calls that are reset", "/etcdserverpb.KV/Range", "application/grpc", floodStreams, true},
		{"watches that are reset", "/etcdserverpb.Watch/Watch", "application/grpc", floodStreams, true},
		{"watches that say nothing", "/etcdserverpb.Watch/Watch", "application/grpc", floodStreams, false},
		{"calls that say nothing", "/etcdserverpb.KV/Range", "application/grpc", silentCalls, false},
		{"calls of Connect that say nothing", "/etcdserverpb.KV/Range", "application/proto", silentCalls, false},
		{"files of v2 without a value", "/v2/keys/a", "application/x-www-form-urlencoded", silentCalls, false},
	} {
		conn := flood(t, server.Endpoint(), one.method, one.kind, one.streams, one.reset)
		bounded, cancel := context.WithTimeout(t.Context(), servedWithin)
		_, err := client.Put(bounded, "k", "v")
		cancel()
		require.NoError(t, err, one.name)
		require.NoError(t, conn.Close())
		require.Eventually(t, func() bool { return gauge(t, server, "go_goroutines") < goroutines+floodGoroutines }, floodWithin, 100*time.Millisecond, one.name)
		require.Less(t, gauge(t, server, "process_resident_memory_bytes")-memory, float64(floodBytesMax), one.name)
	}
}

// Goal: a client that creates watches without end, on one stream, takes a bounded part of the memory, and leaves as much to others: those beyond it are
// refused, the others go on, and another client's watches are created meanwhile. Method: more than there may be, with the memory of the floods above; then
// one event, another client's put and watch.
func TestFloodOfWatches(t *testing.T) {
	const watches, most = 40_000, 1 << 14
	t.Setenv("GOMEMLIMIT", floodMemory)
	server := newServer(t)
	require.NoError(t, server.Start(t.Context()))
	memory := gauge(t, server, "process_resident_memory_bytes")
	client := harness.Client(t, server)
	stream, err := pb.NewWatchClient(harness.Client(t, server).ActiveConnection()).Watch(t.Context())
	require.NoError(t, err)
	sent := make(chan error, 1)
	go func() {
		for i := range watches {
			create := &pb.WatchCreateRequest{Key: []byte(strconv.Itoa(i))}
			if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	refused := 0
	for range watches {
		answer, err := stream.Recv()
		require.NoError(t, err)
		require.True(t, answer.Created)
		if answer.Canceled {
			require.Equal(t, rpctypes.ErrTooManyRequests.Error(), answer.CancelReason)
			refused++
		}
	}
	require.NoError(t, <-sent)
	require.Equal(t, watches-most, refused)
	t.Logf("%d MB more", int64(gauge(t, server, "process_resident_memory_bytes")-memory)>>20)
	require.Less(t, gauge(t, server, "process_resident_memory_bytes")-memory, float64(floodBytesMax))
	bounded, cancel := context.WithTimeout(t.Context(), servedWithin)
	defer cancel()
	_, err = client.Put(bounded, "0", "v")
	require.NoError(t, err)
	answer, err := stream.Recv()
	require.NoError(t, err)
	require.Len(t, answer.Events, 1)
	created := <-client.Watch(bounded, "1", clientv3.WithCreatedNotify())
	require.NoError(t, created.Err())
	require.True(t, created.Created)
}

// Goal: a client that has calls wait for a lock without end takes a bounded number of places: those beyond it are refused, of which neither a key nor a lease
// stays, others put and lock meanwhile, and what waited is gone with its client. Method: as many calls without a lease as the floods have streams, on one
// connection, with the memory of the floods above, while somebody else's key is the first below the name.
func TestFloodOfWaitingLocks(t *testing.T) {
	const most = 4096 / 2 // one connection leaves half of the places to others
	t.Setenv("GOMEMLIMIT", floodMemory)
	server := newServer(t)
	require.NoError(t, server.Start(t.Context()))
	client := harness.Client(t, server)
	goroutines := gauge(t, server, "go_goroutines")
	_, err := client.Put(harness.Context(t), "flooded/first", "")
	require.NoError(t, err)
	flooding, stop := context.WithCancel(t.Context())
	defer stop()
	locks := v3lockpb.NewLockClient(harness.Client(t, server).ActiveConnection())
	ended := make(chan error, floodStreams)
	for range floodStreams {
		go func() {
			_, err := locks.Lock(flooding, &v3lockpb.LockRequest{Name: []byte("flooded")})
			ended <- err
		}()
	}
	for range floodStreams - most {
		require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests.Error(), (<-ended).Error())
	}
	bounded, cancel := context.WithTimeout(t.Context(), servedWithin)
	defer cancel()
	_, err = client.Put(bounded, "k", "v")
	require.NoError(t, err)
	held, err := v3lockpb.NewLockClient(client.ActiveConnection()).Lock(bounded, &v3lockpb.LockRequest{Name: []byte("other")})
	require.NoError(t, err)
	below, err := client.Get(bounded, "flooded/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	require.LessOrEqual(t, below.Count, int64(1+most))
	leases, err := client.Leases(bounded)
	require.NoError(t, err)
	require.LessOrEqual(t, len(leases.Leases), 1+most)
	stop()
	require.Eventually(t, func() bool {
		below, err := client.Get(t.Context(), "flooded/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || below.Count != 1 {
			return false
		}
		leases, err := client.Leases(t.Context())
		return err == nil && len(leases.Leases) <= 1 // that of what is held, until it ends
	}, floodWithin, 100*time.Millisecond)
	require.Eventually(t, func() bool { return gauge(t, server, "go_goroutines") < goroutines+floodGoroutines }, floodWithin, 100*time.Millisecond)
	_, err = client.Delete(harness.Context(t), string(held.GetKey()))
	require.NoError(t, err)
}

// Goal: what reads many rows holds nobody else up, however many a client asks for at a time: neither ranges nor what transactions that write compare.
// Method: hundreds of requests without end over keys of which none is wanted, by one client; another one puts and reads keys.
func TestFloodOfLongReads(t *testing.T) {
	const keys, keysATxn, comparisons = 100_000, 100, 100
	t.Setenv("GOMEMLIMIT", floodMemory)
	server := newServer(t)
	require.NoError(t, server.Start(t.Context()))
	client := harness.Client(t, server)
	for from := 0; from < keys; from += keysATxn {
		puts := make([]clientv3.Op, keysATxn)
		for i := range puts {
			puts[i] = clientv3.OpPut(fmt.Sprintf("k%08d", from+i), "")
		}
		_, err := client.Txn(harness.Context(t)).Then(puts...).Commit()
		require.NoError(t, err)
	}
	all := make([]clientv3.Cmp, comparisons)
	for i := range all {
		all[i] = clientv3.Compare(clientv3.Version("k"), "<", 1<<60).WithPrefix()
	}
	// That a request of a flood is late, or refused, is not what is shown.
	t.Run("ranges", func(t *testing.T) {
		servesBeside(t, server, 1_000, func(ctx context.Context, flooder *clientv3.Client) {
			_, _ = flooder.Get(ctx, "k", clientv3.WithPrefix(), clientv3.WithMinModRev(1<<60))
		})
	})
	t.Run("comparisons", func(t *testing.T) {
		servesBeside(t, server, 100, func(ctx context.Context, flooder *clientv3.Client) {
			_, _ = flooder.Txn(ctx).If(all...).Then(clientv3.OpPut("compared", "")).Commit()
		})
	})
	t.Run("fewer comparisons", func(t *testing.T) {
		servesBeside(t, server, 100, func(ctx context.Context, flooder *clientv3.Client) {
			_, _ = flooder.Txn(ctx).If(all[:2]...).Then(clientv3.OpPut("compared", "")).Commit()
		})
	})
}

// servesBeside has one client ask many times at once without end, and another one put and read a key.
func servesBeside(t *testing.T, server *harness.Server, times int, ask func(context.Context, *clientv3.Client)) {
	t.Helper()
	client, flooder := harness.Client(t, server), harness.Client(t, server)
	flooding, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{}, times)
	for range times {
		go func() {
			for flooding.Err() == nil {
				ask(flooding, flooder)
			}
			ended <- struct{}{}
		}()
	}
	bounded, cancel := context.WithTimeout(t.Context(), servedWithin)
	defer cancel()
	for range 10 {
		_, err := client.Put(bounded, "other", "")
		require.NoError(t, err)
		_, err = client.Get(bounded, "other")
		require.NoError(t, err)
	}
	stop()
	for range times {
		<-ended
	}
}
