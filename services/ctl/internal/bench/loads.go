package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// key is the key of a number, as long as the flags say where it can be.
func (f *flags) key(number int) string {
	digits := strconv.Itoa(number % max(f.keys, 1))
	return f.prefix + strings.Repeat("0", max(0, f.keyBytes-len(digits))) + digits
}

// value is random, so that nothing compresses it.
func (f *flags) value() string {
	b := make([]byte, f.valueBytes)
	for i := range b {
		b[i] = byte(' ' + rand.IntN(95))
	}
	return string(b)
}

func putLoad(_ context.Context, f *flags, _ []*clientv3.Client, r *recorder) (request, error) {
	value := f.value()
	return func(ctx context.Context, client *clientv3.Client, number int, due time.Time) error {
		_, err := client.Put(ctx, f.key(number), value)
		return r.add("put", due, err)
	}, nil
}

// fill writes all keys, so that there is something to read.
func (f *flags) fill(ctx context.Context, clients []*clientv3.Client) error {
	filling := *f
	filling.total, filling.rate = f.keys, 0
	filled := newRecorder()
	send, err := putLoad(ctx, f, clients, filled)
	if err != nil {
		return err
	}
	filling.loop(ctx, clients, filled, send, func() {})
	if failed := filled.errors(); len(failed) > 0 {
		return fmt.Errorf("the keys to read could not be written: %s", strings.Join(failed, ", "))
	}
	return ctx.Err()
}

func rangeLoad(ctx context.Context, f *flags, clients []*clientv3.Client, r *recorder) (request, error) {
	if err := f.fill(ctx, clients); err != nil {
		return nil, err
	}
	var options []clientv3.OpOption
	if f.serial {
		options = append(options, clientv3.WithSerializable())
	}
	return func(ctx context.Context, client *clientv3.Client, number int, due time.Time) error {
		_, err := client.Get(ctx, f.key(number), options...)
		return r.add("range", due, err)
	}, nil
}

// txnLoad compares, reads and writes a key in one transaction.
func txnLoad(_ context.Context, f *flags, _ []*clientv3.Client, r *recorder) (request, error) {
	value := f.value()
	return func(ctx context.Context, client *clientv3.Client, number int, due time.Time) error {
		key := f.key(number)
		_, err := client.Txn(ctx).If(clientv3.Compare(clientv3.Version(key), ">", -1)).Then(clientv3.OpGet(key), clientv3.OpPut(key, value)).Commit()
		return r.add("txn", due, err)
	}, nil
}

// watchLoad has each value begin with when it was due, so that an event tells how long it was on its way.
func watchLoad(ctx context.Context, f *flags, clients []*clientv3.Client, r *recorder) (request, error) {
	watching, end := context.WithCancel(ctx)
	var watches sync.WaitGroup
	var there sync.WaitGroup
	for i := range f.watches {
		there.Add(1)
		events := clients[i%len(clients)].Watch(watching, f.key(i), clientv3.WithCreatedNotify())
		watches.Go(func() {
			created := false
			for answer := range events {
				if !created {
					created = true
					there.Done()
				}
				for _, event := range answer.Events {
					due, err := strconv.ParseInt(strings.TrimSpace(string(event.GetKv().GetValue()[:min(20, len(event.GetKv().GetValue()))])), 10, 64)
					if err == nil {
						_ = r.add("event", time.Unix(0, due), nil)
					}
				}
			}
			if !created {
				there.Done()
			}
		})
	}
	there.Wait()
	r.atEnd(func() {
		// Events of the last puts are still on their way.
		_ = await(ctx, time.Now().Add(200*time.Millisecond))
		end()
		watches.Wait()
	})
	value := f.value()
	return func(ctx context.Context, client *clientv3.Client, number int, due time.Time) error {
		_, err := client.Put(ctx, f.key(number), fmt.Sprintf("%-20d%s", due.UnixNano(), value))
		return r.add("put", due, err)
	}, ctx.Err()
}

func leaseLoad(_ context.Context, _ *flags, _ []*clientv3.Client, r *recorder) (request, error) {
	return func(ctx context.Context, client *clientv3.Client, _ int, due time.Time) error {
		granted, err := client.Grant(ctx, 600)
		if r.add("grant", due, err) != nil {
			return err
		}
		began := time.Now()
		_, err = client.Revoke(ctx, granted.ID)
		return r.add("revoke", began, err)
	}, nil
}
