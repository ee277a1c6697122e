package forward

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

// Members tells which member takes the requests.
type Members interface {
	Endpoint(context.Context) (upstream.Endpoint, error)
}

// V2Config says where requests of v2 go. All but TLS and Namespace is required.
type V2Config struct {
	Members Members
	TLS     tlsconfig.Client
	// Namespace refuses all: v2's directories know none.
	Namespace Namespace
	// Ending ends waits when the server stops.
	Ending         context.Context
	RequestTimeout time.Duration
	Logger         *slog.Logger
}

const (
	// v2Tries is how many members are asked for what changes nothing.
	v2Tries = 3
	// v2IdleMax is how many connections stay open, and for how long.
	v2IdleMax  = 64
	v2IdleTime = 90 * time.Second
)

// NewV2 returns what passes requests of v2 on as they are, with the credentials that each has.
func NewV2(config V2Config) http.Handler {
	hops := &v2Hops{members: config.Members, transport: &http.Transport{
		DialContext: dialEndpoint,
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialSecure(ctx, config.TLS, address)
		},
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
		MaxIdleConnsPerHost:   v2IdleMax,
		IdleConnTimeout:       v2IdleTime,
		DisableCompression:    true,
		ResponseHeaderTimeout: 0, // a wait's head comes with its event
	}}
	passing := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetXForwarded() },
		Transport:      hops,
		FlushInterval:  -1,
		ModifyResponse: explainMissing,
		ErrorHandler:   v2Failed,
		ErrorLog:       slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if config.Namespace != "" {
			v2Message(w, http.StatusNotFound, "this proxy has a namespace, which the v2 API knows nothing of: use the v3 API, or a proxy without --namespace")
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(config.Ending, cancel)()
		if r.URL.Query().Get("wait") != "true" {
			ctx, cancel = context.WithTimeout(ctx, config.RequestTimeout)
			defer cancel()
		}
		passing.ServeHTTP(w, r.WithContext(ctx)) // as a stream: what is too large, the member says
	})
}

// v2Hops sends requests to the member of the moment, and what changes nothing to the next one where that is lost.
type v2Hops struct {
	members   Members
	transport *http.Transport
}

type v2EndpointKey struct{}

// RoundTrip implements http.RoundTripper.
func (h *v2Hops) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		endpoint, err := h.members.Endpoint(r.Context())
		if err != nil {
			return nil, err
		}
		to := r.WithContext(context.WithValue(r.Context(), v2EndpointKey{}, endpoint))
		to.URL = v2URL(r.URL, endpoint)
		to.Host = to.URL.Host
		answer, err := h.transport.RoundTrip(to)
		if err == nil || r.Method != http.MethodGet || try == v2Tries || r.Context().Err() != nil {
			return answer, err
		}
		select {
		case <-time.After(renewPause):
		case <-r.Context().Done():
			return nil, err
		}
	}
}

func v2URL(path *url.URL, endpoint upstream.Endpoint) *url.URL {
	u := *path
	u.Scheme, u.Host = "http", endpoint.Address
	if endpoint.TLS {
		u.Scheme = "https"
	}
	if endpoint.Socket() {
		u.Host = hex.EncodeToString([]byte(endpoint.Address)) + ".socket" // a name for each, to keep connections by
	}
	return &u
}

// dialSecure speaks TLS with the member, as the files are by now.
func dialSecure(ctx context.Context, client tlsconfig.Client, address string) (net.Conn, error) {
	conn, err := dialEndpoint(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	config := upstream.TLSFor(client, address)
	config.NextProtos = []string{"http/1.1"}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

func dialEndpoint(ctx context.Context, network, address string) (net.Conn, error) {
	if endpoint, ok := ctx.Value(v2EndpointKey{}).(upstream.Endpoint); ok {
		return endpoint.Dial(ctx)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no member for " + address)}
}

// v2Paths are those that a server with v2 has something at.
var v2Paths = []string{"/v2/keys", "/v2/members", "/v2/stats", "/v2/auth", "/v2/machines"}

// noV2 is told by a server that has not.
const noV2 = "the cluster behind this proxy has no v2 API: etcd has none any more since 3.6, and from 3.4 on only with --enable-v2; " +
	"Quorate has it unless it was started with --enable-v2=false"

// explainMissing says why there is nothing where v2 would be. v2's own answers are JSON.
func explainMissing(r *http.Response) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	known := slices.ContainsFunc(v2Paths, func(path string) bool {
		return r.Request.URL.Path == path || strings.HasPrefix(r.Request.URL.Path, path+"/")
	})
	if r.StatusCode != http.StatusNotFound || kind == "application/json" || !known {
		return nil
	}
	_ = r.Body.Close()
	body := v2Text(noV2)
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header = http.Header{"Content-Type": {"application/json"}}
	return nil
}

func v2Text(message string) string {
	text, _ := json.Marshal(map[string]string{"message": message}) // strings are encoded
	return string(text) + "\n"
}

func v2Message(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, v2Text(message))
}

// v2Failed answers where no member does, as a member answers that has lost the others.
func v2Failed(w http.ResponseWriter, r *http.Request, err error) {
	cause := rpctypes.ErrGRPCTimeoutDueToConnectionLost
	if errors.Is(err, context.DeadlineExceeded) || r.Context().Err() != nil {
		cause = rpctypes.ErrGRPCTimeout
	}
	body, _ := json.Marshal(struct {
		Code    int    `json:"errorCode"`
		Message string `json:"message"`
		Cause   string `json:"cause"`
		Index   uint64 `json:"index"`
	}{300, "Raft Internal Error", text(cause), 0})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(append(body, '\n'))
}
