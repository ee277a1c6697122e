package grpcproxy

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// registration makes the proxy known below the resolver's prefix, as etcd's clients find endpoints there, and knows which others are.
type registration struct {
	prefix, advertised string
	ttl                int64
	log                *slog.Logger

	mu struct {
		sync.Mutex
		urls []string
	}
}

// registerPause is how long to wait until a registration that failed is tried again; registerMax bounds each of its requests.
const (
	registerPause = time.Second
	registerMax   = 5 * time.Second
)

func (o Options) known(log *slog.Logger) *registration {
	r := &registration{advertised: o.AdvertiseURL, ttl: int64(o.ResolverTTL), log: log}
	if o.ResolverPrefix != "" {
		r.prefix = o.Namespace + o.ResolverPrefix
	}
	if o.advertised {
		r.mu.urls = []string{o.AdvertiseURL}
	}
	return r
}

// urls are where clients reach the cluster by proxies, none where that is not known.
func (r *registration) urls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.urls
}

// endpoint is a proxy's value there, as package naming of etcd's client reads it.
type endpoint struct {
	Op       int
	Addr     string
	Metadata string
}

// run keeps the proxy registered until ctx ends.
func (r *registration) run(ctx context.Context, cluster grpc.ClientConnInterface) {
	if r.prefix == "" {
		return
	}
	kv, leases := etcdserverpb.NewKVClient(cluster), etcdserverpb.NewLeaseClient(cluster)
	for failed := false; ctx.Err() == nil; {
		err := r.register(ctx, kv, leases, func() { failed = false })
		if ctx.Err() == nil && !failed {
			r.log.Warn("the proxy is not registered; it is tried again and again", "prefix", r.prefix, "error", err)
			failed = true
		}
		select {
		case <-time.After(registerPause):
		case <-ctx.Done():
		}
	}
}

// register makes the proxy known and keeps it so, until that fails or ctx ends; then it is forgotten.
func (r *registration) register(ctx context.Context, kv etcdserverpb.KVClient, leases etcdserverpb.LeaseClient, done func()) error {
	bounded, cancel := context.WithTimeout(ctx, registerMax)
	defer cancel()
	lease, err := leases.LeaseGrant(bounded, &etcdserverpb.LeaseGrantRequest{TTL: r.ttl})
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerPause)
		defer cancel()
		_, _ = leases.LeaseRevoke(last, &etcdserverpb.LeaseRevokeRequest{ID: lease.GetID()}) // else it ends by itself
	}()
	host, _ := os.Hostname() // a name for people
	meta, _ := json.Marshal(map[string]string{"name": host})
	value, err := json.Marshal(endpoint{Addr: r.advertised, Metadata: string(meta)})
	if err != nil {
		return err
	}
	if _, err = kv.Put(bounded, &etcdserverpb.PutRequest{Key: []byte(r.prefix + "/" + r.advertised), Value: value, Lease: lease.GetID()}); err != nil {
		return err
	}
	r.log.Info("the proxy is registered", "prefix", r.prefix, "address", r.advertised)
	done()
	for {
		if err := r.look(ctx, kv); err != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(r.ttl) * time.Second / 3):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := keepAlive(ctx, leases, lease.GetID()); err != nil {
			return err
		}
	}
}

// look finds out which proxies there are.
func (r *registration) look(ctx context.Context, kv etcdserverpb.KVClient) error {
	ctx, cancel := context.WithTimeout(ctx, registerMax)
	defer cancel()
	first := r.prefix + "/"
	found, err := kv.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(first), RangeEnd: append([]byte(r.prefix), '/'+1)})
	if err != nil {
		return err
	}
	var urls []string
	for _, each := range found.GetKvs() {
		var e endpoint
		if json.Unmarshal(each.GetValue(), &e) == nil && e.Addr != "" && !slices.Contains(urls, e.Addr) {
			urls = append(urls, e.Addr)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.urls = urls
	return nil
}

// errGone is of a registration whose lease has ended.
type errGone struct{}

func (errGone) Error() string { return "its lease has ended" }

func keepAlive(ctx context.Context, leases etcdserverpb.LeaseClient, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, registerMax)
	defer cancel()
	stream, err := leases.LeaseKeepAlive(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: id}); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err == nil && answer.GetTTL() <= 0 {
		err = errGone{}
	}
	return err
}
