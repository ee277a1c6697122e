package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

const (
	// ttlMin and ttlSpread are the lives that leases ask for, in seconds: short, so that many end in the calm between two faults.
	ttlMin, ttlSpread = 2, 3
	// keptMax bounds how long a holder keeps a lease alive.
	keptMax = 12 * time.Second
	// renewalsPerTTL is how often it renews it meanwhile.
	renewalsPerTTL = 4
	// revokedShare is one in how many leases ends by its holder's wish.
	revokedShare = 4
)

// holder takes a lease, attaches keys to it, keeps it for a while and gives or leaves it up, again and again. Its attachments are recorded as
// operations of its client. A patient one keeps its leases on one stream as long as that lasts, the others make a call for each renewal.
type holder struct {
	client
	stream *renewals // nil while there is none
	leases []history.Lease
}

func (h *holder) run(ctx context.Context) {
	defer h.endStream()
	for ctx.Err() == nil {
		lease, err := h.grant()
		if err == nil {
			h.hold(ctx, lease)
			h.leases = append(h.leases, *lease)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pauseAfterError):
		}
	}
}

func (h *holder) grant() (*history.Lease, error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.patience)
	defer cancel()
	call := time.Since(h.begin)
	granted, err := h.etcd.Grant(ctx, ttlMin+h.random.Int64N(ttlSpread))
	h.failed("grant", call, err, ctx.Err() != nil)
	if err != nil {
		return nil, err
	}
	ttl := time.Duration(granted.TTL) * time.Second
	now := time.Since(h.begin)
	return &history.Lease{
		ID: int64(granted.ID), TTL: ttl, Touched: now,
		Renewals: []history.Renewal{{Call: call, Return: now, TTL: ttl}},
	}, nil
}

// hold lives through a granted lease until its holder gives or leaves it up, or it is gone.
func (h *holder) hold(ctx context.Context, lease *history.Lease) {
	prefix := fmt.Sprintf("%s%x/", leasePrefix, lease.ID)
	lease.Keys = []string{prefix + "a", prefix + "b"}
	attach := history.Operation{}
	for _, key := range lease.Keys {
		step := h.put(key)
		step.Lease = lease.ID
		attach.Then = append(attach.Then, step)
	}
	h.call(attach)
	until := time.After(time.Duration(h.random.Int64N(int64(keptMax))))
	for {
		lease.Touched = time.Since(h.begin)
		select {
		case <-ctx.Done():
			return
		case <-until:
			if h.random.IntN(revokedShare) == 0 {
				h.revoke(lease)
			}
			return
		case <-time.After(lease.TTL / renewalsPerTTL):
			if !h.renew(lease) {
				lease.Touched = time.Since(h.begin)
				return
			}
		}
	}
}

// renew reports whether the lease may still be there.
func (h *holder) renew(lease *history.Lease) bool {
	call := time.Since(h.begin)
	ttl, err := h.keepAlive(lease.ID, call)
	now := time.Since(h.begin)
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		lease.Gone = append(lease.Gone, now)
		return false
	case err == nil:
		lease.Renewals = append(lease.Renewals, history.Renewal{Call: call, Return: now, TTL: time.Duration(ttl) * time.Second})
	}
	return true
}

// keepAlive returns the time that a lease was given, in seconds.
func (h *holder) keepAlive(lease int64, call time.Duration) (int64, error) {
	if h.patience == patientlyWithin {
		return h.keepAliveOnStream(lease, call)
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.patience)
	defer cancel()
	kept, err := h.etcd.KeepAliveOnce(ctx, clientv3.LeaseID(lease))
	if err != nil {
		h.failed("keep-alive", call, err, ctx.Err() != nil)
		return 0, err
	}
	return kept.TTL, nil
}

func (h *holder) revoke(lease *history.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), h.patience)
	defer cancel()
	lease.Revoked, lease.RevokeCall = true, time.Since(h.begin)
	_, err := h.etcd.Revoke(ctx, clientv3.LeaseID(lease.ID))
	h.failed("revoke", lease.RevokeCall, err, ctx.Err() != nil)
	lease.Touched = time.Since(h.begin)
}
