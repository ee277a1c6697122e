package clientv3

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Goal: answers that nobody reads do not take the server's memory, and keep nobody else from reading. Method: 30 clients ask for 20 MB
// each and never read; another one reads the same until it gets it, and then the server's largest size is looked at. On etcd, and
// before there was a budget, it was about 1 GB.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	k, server := own(t)
	k.ctx = unhurried(t)
	const keys, clients = 20, 30
	for i := range keys {
		_, err := k.Put(k.ctx, fmt.Sprintf("large/%02d", i), strings.Repeat("v", 1<<20))
		require.NoError(t, err)
	}
	for range clients {
		askAndNeverRead(t, k, server.Endpoint())
	}
	for {
		response, err := k.Get(k.ctx, "large/", clientv3.WithPrefix())
		if err == nil {
			require.Len(t, response.Kvs, keys)
			break
		}
		require.NoError(t, k.ctx.Err(), "others read: %v", err)
	}
	require.Less(t, peakMegabytes(t, server.PID()), 450)
}

// unhurried is a time in which clients that do not read are dropped one after the other, half a minute each where all have 20 MB
// before them, on a machine that has other things to do.
func unhurried(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// askAndNeverRead asks for all large keys with a window that holds next to nothing of the answer.
func askAndNeverRead(t *testing.T, k *keyspace, endpoint string) {
	t.Helper()
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(1<<16), grpc.WithStaticConnWindowSize(1<<16))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := conn.NewStream(k.ctx, &grpc.StreamDesc{}, etcdserverpb.KV_Range_FullMethodName)
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(&etcdserverpb.RangeRequest{Key: []byte("large/"), RangeEnd: []byte("large0")}))
	require.NoError(t, stream.CloseSend())
}

// peakMegabytes is the largest resident size that a process has had.
func peakMegabytes(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		var kilobytes int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes >> 10
		}
	}
	require.Fail(t, "the kernel does not tell the peak")
	return 0
}

// Goal: the same over HTTP: through the gateway, Connect and v2. Method: as above, with connections that take next to nothing.
func TestAnswersOverHTTPThatNobodyReadsAreBounded(t *testing.T) {
	const keys, clients = 20, 30
	post := func(path, rangeEnd string) string {
		read := fmt.Sprintf(`{"key":%q,%q:%q}`, base64.StdEncoding.EncodeToString([]byte("/large/")), rangeEnd, base64.StdEncoding.EncodeToString([]byte("/large0")))
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(read), read)
	}
	for name, request := range map[string]string{
		"gateway": post("/v3/kv/range", "range_end"),
		"connect": post("/etcdserverpb.KV/Range", "rangeEnd"),
		"v2":      "GET /v2/keys/large?recursive=true HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			k, server := own(t, "--enable-v2=true")
			k.ctx = unhurried(t)
			for i := range keys {
				_, err := k.Put(k.ctx, fmt.Sprintf("/large/%02d", i), strings.Repeat("v", 1<<20))
				require.NoError(t, err)
			}
			for range clients {
				conn, err := (&net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
					return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
				}}).DialContext(k.ctx, "tcp", server.Endpoint())
				require.NoError(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				_, err = io.WriteString(conn, request)
				require.NoError(t, err)
			}
			for {
				response, err := k.Get(k.ctx, "/large/", clientv3.WithPrefix())
				if err == nil {
					require.Len(t, response.Kvs, keys)
					break
				}
				require.NoError(t, k.ctx.Err(), "others read: %v", err)
			}
			peak := peakMegabytes(t, server.PID())
			t.Logf("%d MB at the most", peak)
			require.Less(t, peak, 450, "before: 562, 731 and 2,275")
		})
	}
}
