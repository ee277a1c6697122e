package main

import (
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	// expireTTLSeconds is longer than it takes to grant all leases that expire at once.
	expireTTLSeconds = 45
	// expireWithin bounds the wait for the last of them.
	expireWithin = 5 * time.Minute
	// expirePoll is how often the leases that are left are counted.
	expirePoll = 20 * time.Millisecond
)

func grant(t *trial) error {
	l, err := newLoad(t, 100)
	if err != nil {
		return err
	}
	defer l.close()
	ops := t.times(30_000)
	return t.measure(ops, func() error {
		took, err := l.run(ops, 100, func(_, client int) error {
			_, err := l.lease(client).LeaseGrant(l.ctx, &pb.LeaseGrantRequest{TTL: 3600})
			return err
		})
		t.latencies(took)
		return err
	})
}

// expire grants leases with a key each, the later the shorter, so that all of them expire within the same second, and measures how fast they go
// from the first one on.
func expire(t *trial) error {
	l, err := newLoad(t, 100)
	if err != nil {
		return err
	}
	defer l.close()
	leases := t.times(100_000)
	begin := time.Now()
	if _, err := l.run(leases, 500, func(op, client int) error {
		id, ttl := int64(op+1), expireTTLSeconds-int64(time.Since(begin).Seconds())
		if _, err := l.lease(client).LeaseGrant(l.ctx, &pb.LeaseGrantRequest{ID: id, TTL: ttl}); err != nil {
			return err
		}
		_, err := l.kv(client).Put(l.ctx, &pb.PutRequest{Key: []byte(fillKey("leased", op)), Lease: id})
		return err
	}); err != nil {
		return err
	}
	left, err := l.leasesLeft()
	if err != nil {
		return err
	}
	if left != leases {
		return fmt.Errorf("granting took %v, too long: %d of %d leases are left", time.Since(begin), left, leases)
	}
	if left, err = l.awaitFewerLeases(leases); err != nil {
		return err
	}
	return t.measure(left, func() error {
		_, err := l.awaitFewerLeases(1)
		return err
	})
}

// awaitFewerLeases waits until fewer than so many leases are left, and returns how many are.
func (l *load) awaitFewerLeases(than int) (left int, err error) {
	for deadline := time.Now().Add(expireWithin); ; {
		if left, err = l.leasesLeft(); err != nil || left < than {
			return left, err
		}
		if time.Now().After(deadline) {
			return left, fmt.Errorf("%d leases are left after %v", left, expireWithin)
		}
		if err := pause(l.ctx, expirePoll); err != nil {
			return left, err
		}
	}
}

// leasesLeft counts by the keys, which is cheap for both systems.
func (l *load) leasesLeft() (int, error) {
	resp, err := l.kv(0).Range(l.ctx, &pb.RangeRequest{Key: []byte("leased/"), RangeEnd: keyEnd("leased"), CountOnly: true})
	return int(resp.GetCount()), err
}
