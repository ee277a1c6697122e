package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

const (
	// overloadKeys are what each list reads, with values of so many bytes: 8 MB.
	overloadKeys, overloadValueBytes = 100_000, 40
	// overloadListers list without rest, and overloadWriters put, each on a connection of its own.
	overloadListers, overloadWriters = 300, 16
	// overloadLeases are kept alive, each two times in its time to live.
	overloadLeases, overloadTTLSeconds = 200, 5
	// overloadFor is how long that goes on.
	overloadFor = 20 * time.Second
	// methodRange is that of lists.
	methodRange = "/etcdserverpb.KV/Range"
)

// overloadCases ask what is left for writes and leases where lists want more than all.
var overloadCases = []benchCase{
	{name: "overload", clustered: true, title: "put, 16 clients, beside 300 that list 100,000 keys without rest, and 200 leases", unit: "put/s", long: true, run: overload},
}

// overload measures puts while lists are more than the server can do. What becomes of the rest is in the note.
func overload(t *trial) error {
	l, err := newLoad(t, overloadWriters)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.fill("key", overloadKeys, overloadValueBytes); err != nil {
		return err
	}
	for id := int64(1); id <= overloadLeases; id++ {
		if _, err := l.lease(0).LeaseGrant(t.ctx, &pb.LeaseGrantRequest{ID: id, TTL: overloadTTLSeconds}); err != nil {
			return err
		}
		if _, err := l.kv(0).Put(t.ctx, &pb.PutRequest{Key: []byte(fillKey("leased", int(id))), Lease: id}); err != nil {
			return err
		}
	}
	changes, err := t.leaderChanges()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(t.ctx, overloadFor)
	defer stop()
	var lists, failed atomic.Int64
	var took [overloadWriters][]time.Duration
	begin := time.Now()
	var group errgroup.Group
	for i := range t.times(overloadListers) {
		group.Go(func() error { return listRaw(ctx, t, i, &lists, &failed) })
	}
	var kept renewals
	group.Go(func() error { return l.keepAlive(ctx, &kept) })
	for i := range overloadWriters {
		group.Go(func() (err error) {
			took[i], err = l.putsOf(ctx, i)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	elapsed := time.Since(begin)
	all := slices.Concat(took[:]...)
	t.latencies(all)
	t.result.value = float64(len(all)) / elapsed.Seconds()
	left, err := l.leasesLeft()
	if err != nil {
		return err
	}
	after, err := t.leaderChanges()
	if err != nil {
		return err
	}
	var median time.Duration
	if len(all) > 0 {
		median = all[len(all)/2]
	}
	t.result.note = fmt.Sprintf("p50 %.1f ms, longest %.1f s, %d lists (%d failed), renewal of all leases %.1f s at the longest (%d of %d failed), %d leases of %d lost, leader changes %d",
		milliseconds(median), slices.Max(append(all, 0)).Seconds(), lists.Load(), failed.Load(),
		kept.longest.Seconds(), kept.failed, kept.rounds, overloadLeases-left, overloadLeases, after-changes)
	return nil
}

// putsOf is puts on the connection of a client.
func (l *load) putsOf(ctx context.Context, client int) ([]time.Duration, error) {
	one := &load{ctx: l.ctx, conns: l.conns[client : client+1]}
	return one.puts(ctx)
}

// renewals are the rounds in which all leases are kept alive.
type renewals struct {
	rounds, failed int
	longest        time.Duration
}

// keepAlive keeps all leases alive, twice in their time to live, until ctx ends.
func (l *load) keepAlive(ctx context.Context, kept *renewals) error {
	ticker := time.NewTicker(overloadTTLSeconds * time.Second / 2)
	defer ticker.Stop()
	for {
		begin := time.Now()
		err := l.renew(ctx)
		if ctx.Err() != nil {
			return nil
		}
		kept.rounds++
		kept.longest = max(kept.longest, time.Since(begin))
		if err != nil {
			kept.failed++
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// renew keeps each lease alive once, on a stream of its own.
func (l *load) renew(ctx context.Context) error {
	stream, err := l.lease(0).LeaseKeepAlive(ctx)
	if err != nil {
		return err
	}
	for id := int64(1); id <= overloadLeases && err == nil; id++ {
		err = stream.Send(&pb.LeaseKeepAliveRequest{ID: id})
	}
	for id := int64(1); id <= overloadLeases && err == nil; id++ {
		_, err = stream.Recv()
	}
	return errors.Join(err, stream.CloseSend())
}

// listRaw lists all keys again and again on a connection of its own, and looks at no answer: what that costs a client is not what is measured.
func listRaw(ctx context.Context, t *trial, client int, lists, failed *atomic.Int64) error {
	servers := t.servers()
	conn, err := grpc.NewClient(servers[client%len(servers)].Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.ForceCodecV2(unread{})))
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		var size int
		err := conn.Invoke(ctx, methodRange, &pb.RangeRequest{Key: []byte("key/"), RangeEnd: keyEnd("key")}, &size)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed.Add(1)
		case size < overloadKeys*overloadValueBytes:
			return fmt.Errorf("a list has %d bytes", size)
		default:
			lists.Add(1)
		}
	}
}

// unread is a codec that tells the sizes of answers.
type unread struct{}

// Name implements encoding.CodecV2.
func (unread) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (unread) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.(proto.Message)
	if !ok {
		return nil, errors.New("a request is a message")
	}
	encoded, err := proto.Marshal(message)
	return mem.BufferSlice{mem.SliceBuffer(encoded)}, err
}

// Unmarshal implements encoding.CodecV2.
func (unread) Unmarshal(data mem.BufferSlice, v any) error {
	size, ok := v.(*int)
	if !ok {
		return errors.New("an answer is a size")
	}
	*size = data.Len()
	return nil
}

// leaderChanges is how many changes of the leader the members have seen.
func (t *trial) leaderChanges() (int, error) {
	var sum int
	for _, member := range t.members {
		answer, err := http.Get(member.URL() + "/metrics")
		if err != nil {
			return 0, err
		}
		text, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return 0, err
		}
		var one int
		_, line, _ := strings.Cut(string(text), "\netcd_server_leader_changes_seen_total ")
		if _, err := fmt.Sscan(line, &one); err != nil {
			return 0, fmt.Errorf("etcd_server_leader_changes_seen_total: %w", err)
		}
		sum += one
	}
	return sum, nil
}
