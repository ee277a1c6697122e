package calls

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/services/api/internal/headers"
)

const (
	// clientVersionsMax is how many versions of clients are told apart: clients may send any word. The others are otherVersion.
	clientVersionsMax = 32
	// clientVersionBytesMax bounds each of them.
	clientVersionBytesMax = 16

	unknownVersion = "unknown" // etcd's word for a client that says none
	otherVersion   = "other"
)

// clientVersions counts gRPC calls by the version that a client says it is made for, as etcd does. It may be nil, and used concurrently.
type clientVersions struct {
	requests *prometheus.CounterVec
	known    sync.Map // versionCounters by version

	mu struct {
		sync.Mutex
		count int
	}
}

// versionCounters are those of one version.
type versionCounters struct{ unary, stream prometheus.Counter }

func newClientVersions(registerer prometheus.Registerer) *clientVersions {
	v := &clientVersions{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etcd_server_client_requests_total", Help: "The total number of client requests per client version.",
	}, []string{"type", "client_api_version"})}
	registerer.MustRegister(v.requests)
	return v
}

func (v *clientVersions) unary(ctx context.Context) {
	if v != nil {
		v.of(ctx).unary.Inc()
	}
}

func (v *clientVersions) stream(ctx context.Context) {
	if v != nil {
		v.of(ctx).stream.Inc()
	}
}

func (v *clientVersions) of(ctx context.Context) versionCounters {
	version := unknownVersion
	if values := headers.Of(ctx).Values(rpctypes.MetadataClientAPIVersionKey); len(values) > 0 {
		version = values[0]
	}
	if found, ok := v.known.Load(version); ok {
		return found.(versionCounters)
	}
	return v.add(version)
}

// add makes the counters of a version that nobody has had yet.
func (v *clientVersions) add(version string) versionCounters {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mu.count >= clientVersionsMax || len(version) > clientVersionBytesMax || !plainVersion(version) {
		version = otherVersion
	}
	found, was := v.known.LoadOrStore(version, versionCounters{
		unary: v.requests.WithLabelValues("unary", version), stream: v.requests.WithLabelValues("stream", version),
	})
	if !was {
		v.mu.count++
	}
	return found.(versionCounters)
}

// plainVersion takes what versions are made of.
func plainVersion(version string) bool {
	for _, c := range []byte(version) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
