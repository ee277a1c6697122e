// Package gateway serves etcd's JSON paths (POST /v3/kv/range and so on) by turning each request into a gRPC call, with
// grpc-gateway and the routes that etcd publishes. It does not upgrade to WebSockets.
package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb/gw"
	"google.golang.org/grpc"
)

const (
	// Prefix is what all paths begin with.
	Prefix = "/v3/"
	// OldPrefix is what they began with before etcd 3.4; it stands for Prefix.
	OldPrefix = "/v3beta/"
	// jsonEnvelopeBytes is for names, quotes and spaces around what JSON has in base64.
	jsonEnvelopeBytes = 64 << 10
)

// New returns a handler of the paths below Prefix and OldPrefix. The calls go through conn. A request of more than
// messageBytesMax once it is decoded is refused while it is read; that of a stream is one of its messages.
func New(conn grpc.ClientConnInterface, messageBytesMax int) (http.Handler, error) {
	jsonBytesMax := int64(messageBytesMax)/3*4 + jsonEnvelopeBytes
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler(jsonBytesMax)),
		runtime.WithIncomingHeaderMatcher(passed),
	)
	// The routes hold on to no more than the context's values: nothing is started.
	ctx := context.Background()
	for service, err := range map[string]error{
		"KV":                             gw.RegisterKVHandlerClient(ctx, mux, etcdserverpb.NewKVClient(conn)),
		"Watch":                          gw.RegisterWatchHandlerClient(ctx, mux, etcdserverpb.NewWatchClient(conn)),
		"Lease":                          gw.RegisterLeaseHandlerClient(ctx, mux, etcdserverpb.NewLeaseClient(conn)),
		"Cluster":                        gw.RegisterClusterHandlerClient(ctx, mux, etcdserverpb.NewClusterClient(conn)),
		"Maintenance":                    gw.RegisterMaintenanceHandlerClient(ctx, mux, etcdserverpb.NewMaintenanceClient(conn)),
		"Auth":                           gw.RegisterAuthHandlerClient(ctx, mux, etcdserverpb.NewAuthClient(conn)),
		"Lock, Election and RangeStream": registerMore(mux, conn),
	} {
		if err != nil {
			return nil, fmt.Errorf("JSON routes of %s: %w", service, err)
		}
	}
	return renamed(withoutOrigin(mux)), nil
}

// forwardedFor is by which header, and as which metadata, grpc-gateway says where a client is, behind what the client says of that itself.
const forwardedFor = "x-forwarded-for"

// passed says as what metadata a header goes along: what grpc-gateway passes, and what names the span that a request is made in.
func passed(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "traceparent", "tracestate":
		return strings.ToLower(name), true
	}
	key, ok := runtime.DefaultHeaderMatcher(name)
	return key, ok && !strings.EqualFold(key, forwardedFor)
}

// withoutOrigin takes from requests where they say that they come from: a client on a Unix socket has no address that would stand behind it.
func withoutOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(forwardedFor)
		next.ServeHTTP(w, r)
	})
}

// Streams tells requests whose body lasts as long as its client likes.
func Streams(r *http.Request) bool {
	switch strings.Replace(r.URL.Path, OldPrefix, Prefix, 1) {
	case "/v3/watch", "/v3/lease/keepalive":
		return true
	default:
		return false
	}
}

func renamed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, old := strings.CutPrefix(r.URL.Path, OldPrefix); old {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = Prefix+rest, ""
		}
		next.ServeHTTP(w, r)
	})
}
