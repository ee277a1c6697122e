package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/etcdserverpbconnect"
)

// auditLine is what a test looks at.
type auditLine struct {
	Time, ID, User, Proof, Peer, Method, Decision, Code string
	Ranges                                              []struct {
		Access, Key string
		RangeEnd    string `json:"range_end"`
		ValueBytes  int    `json:"value_bytes"`
		ValueHMAC   string `json:"value_hmac"`
	}
	Revision int64
	Duration *int64 `json:"duration_us"`
	OfLease  string `json:"of_lease"`
}

// runAudit opens a log and runs it until what is made after it has ended.
func runAudit(t *testing.T, c Audit) *AuditLog {
	t.Helper()
	opened, err := OpenAudit(c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { opened.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return opened
}

// auditLines reads a file of lines, in which secret must not be.
func auditLines(t *testing.T, path, secret string) []auditLine {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(text), secret)
	require.NotContains(t, string(text), base64.StdEncoding.EncodeToString([]byte(secret)))
	var lines []auditLine
	for line := range strings.Lines(string(text)) {
		var read auditLine
		require.NoError(t, json.Unmarshal([]byte(line), &read), line)
		lines = append(lines, read)
	}
	return lines
}

// oneWatch answers each create, every second one with a refusal.
type oneWatch struct {
	etcdserverpb.UnimplementedWatchServer
}

func (oneWatch) Watch(stream grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]) error {
	for n := 0; ; n++ {
		if _, err := stream.Recv(); err != nil {
			return nil
		}
		answer := &etcdserverpb.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: 9}, Created: true}
		if n%2 == 1 {
			answer.Canceled, answer.WatchId, answer.CancelReason = true, -1, rpctypes.ErrGRPCPermissionDenied.Error()
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// strictLease refuses every keep-alive.
type strictLease struct {
	etcdserverpb.UnimplementedLeaseServer
}

func (strictLease) LeaseKeepAlive(stream grpc.BidiStreamingServer[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]) error {
	_, _ = stream.Recv()
	return rpctypes.ErrGRPCPermissionDenied
}

func dialPlain(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Goal: when a client has its answer, a line is on record that says who asked for what and what came of it, whatever the wire; values
// and tokens are nowhere, and equal values have equal digests.
// Method: the same put by gRPC, Connect and JSON, a range stream, watches and a keep-alive, and the file right after each.
func TestAuditHasALineForEveryWire(t *testing.T) {
	dir := t.TempDir()
	path, keyFile := filepath.Join(dir, "audit.log"), filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(keyFile, []byte("0123456789abcdef0123456789abcdef\n"), 0o600))
	services := fakeServices()
	services.Watch, services.Lease = oneWatch{}, strictLease{}
	s := serve(t, services, func(cfg *Config) {
		cfg.Audit = runAudit(t, Audit{File: path, Level: "request", HMACKeyFile: keyFile, Sync: true})
	})
	const secret = "the-secret-value"
	conn := dialPlain(t, s.address)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "token", secret+"-token")
	request := &etcdserverpb.PutRequest{Key: []byte("/a/b"), Value: []byte(secret)}

	_, err := etcdserverpb.NewKVClient(conn).Put(ctx, request)
	require.NoError(t, err)
	require.Len(t, auditLines(t, path, secret), 1)
	_, err = etcdserverpbconnect.NewKVClient(http.DefaultClient, "http://"+s.address, connect.WithProtoJSON()).Put(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, auditLines(t, path, secret), 2)
	body := `{"key":"` + base64.StdEncoding.EncodeToString(request.Key) + `","value":"` + base64.StdEncoding.EncodeToString(request.Value) + `"}`
	answer, err := http.Post("http://"+s.address+"/v3/kv/put", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	puts := auditLines(t, path, secret)
	require.Len(t, puts, 3)
	for _, line := range puts {
		require.Equal(t, "etcdserverpb.KV/Put", line.Method)
		require.Equal(t, "write", line.Ranges[0].Access)
		require.Equal(t, "/a/b", line.Ranges[0].Key)
		require.Equal(t, len(secret), line.Ranges[0].ValueBytes)
		require.Equal(t, puts[0].Ranges[0].ValueHMAC, line.Ranges[0].ValueHMAC)
		require.Len(t, line.Ranges[0].ValueHMAC, 64)
		require.True(t, strings.HasPrefix(line.Peer, "127.0.0.1"), line.Peer)
		require.Equal(t, []any{"allowed", "OK", int64(7)}, []any{line.Decision, line.Code, line.Revision})
		require.NotNil(t, line.Duration)
		require.NotEmpty(t, line.Time)
	}
	require.NotEqual(t, puts[0].ID, puts[1].ID)

	_, err = etcdserverpb.NewKVClient(conn).Compact(ctx, &etcdserverpb.CompactionRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	rows, err := etcdserverpb.NewKVClient(conn).RangeStream(ctx, &etcdserverpb.RangeRequest{Key: []byte("k"), RangeEnd: []byte{0xff, 0}})
	require.NoError(t, err)
	_, err = rows.Recv()
	require.NoError(t, err)
	watches, err := etcdserverpb.NewWatchClient(conn).Watch(ctx)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, watches.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{Key: []byte("w")}}}))
		_, err = watches.Recv()
		require.NoError(t, err)
	}
	alive, err := etcdserverpb.NewLeaseClient(conn).LeaseKeepAlive(ctx)
	require.NoError(t, err)
	require.NoError(t, alive.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: 0x1f}))
	_, err = alive.Recv()
	require.Equal(t, codes.PermissionDenied, status.Code(err))

	var seen []string
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), `"range_end":{"base64":"/wA="}`)
	for line := range strings.Lines(string(text)) {
		var read struct {
			Method, Decision, Code string
			OfLease                string `json:"of_lease"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &read))
		seen = append(seen, strings.Join([]string{strings.TrimPrefix(read.Method, "etcdserverpb."), read.Decision, read.Code, read.OfLease}, " "))
	}
	require.Equal(t, []string{
		"KV/Compact allowed Unimplemented ", "KV/RangeStream allowed OK ", "Watch/Watch allowed OK ",
		"Watch/Watch refused PermissionDenied ", "Lease/LeaseKeepAlive refused PermissionDenied 1f",
	}, seen[3:])
}

// Goal: on a full disk requests fail before anything is done, and clients are told so.
// Method: the log is a device that takes nothing, and the handler counts the puts that it sees.
func TestAuditOnAFullDiskRefusesBeforeAnythingIsDone(t *testing.T) {
	var puts atomic.Int64
	services := fakeServices()
	services.KV = fakeKV{put: func(context.Context, *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
		puts.Add(1)
		return &etcdserverpb.PutResponse{}, nil
	}}
	s := serve(t, services, func(cfg *Config) { cfg.Audit = runAudit(t, Audit{File: "/dev/full"}) })
	kv := etcdserverpb.NewKVClient(dialPlain(t, s.address))
	_, err := kv.Put(t.Context(), &etcdserverpb.PutRequest{Key: []byte("k")})
	require.Equal(t, codes.Unavailable, status.Code(err), "nobody knew yet: %v", err)
	for range 3 {
		_, err = kv.Put(t.Context(), &etcdserverpb.PutRequest{Key: []byte("k")})
		require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	}
	require.EqualValues(t, 1, puts.Load())
}

// Goal: refusals are written also where nothing else is.
// Method: a log at level none, a put that is allowed and one that is refused.
func TestAuditAtLevelNoneHasRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	services := fakeServices()
	services.KV = fakeKV{put: func(_ context.Context, r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
		if string(r.GetKey()) == "forbidden" {
			return nil, rpctypes.ErrGRPCPermissionDenied
		}
		return &etcdserverpb.PutResponse{}, nil
	}}
	s := serve(t, services, func(cfg *Config) { cfg.Audit = runAudit(t, Audit{File: path, Level: "none"}) })
	kv := etcdserverpb.NewKVClient(dialPlain(t, s.address))
	_, err := kv.Put(t.Context(), &etcdserverpb.PutRequest{Key: []byte("k")})
	require.NoError(t, err)
	_, err = kv.Put(t.Context(), &etcdserverpb.PutRequest{Key: []byte("forbidden")})
	require.Equal(t, codes.PermissionDenied, status.Code(err))
	lines := auditLines(t, path, "value")
	require.Len(t, lines, 1)
	require.Equal(t, "forbidden", lines[0].Ranges[0].Key)
}
