package peer

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// BenchmarkSend shows what a message costs, both ends together, from Send to Step over loopback: small ones (heartbeats
// and answers), entries as a busy cluster makes them, and large ones. at-once is how many are given to Send together and
// are on the way; cpu-ns/op is the process's own time, user and system.
//
//	go test ./peer -run '^$' -bench Send -benchtime 2s
func BenchmarkSend(b *testing.B) {
	for _, size := range []int{-1, 256, 16 << 10, 1 << 20} {
		for _, atOnce := range []int{1, 32} {
			name := fmt.Sprintf("append=%d/at-once=%d", size, atOnce)
			if size < 0 {
				name = fmt.Sprintf("heartbeat/at-once=%d", atOnce)
			}
			b.Run(name, func(b *testing.B) { benchmarkSend(b, size, atOnce) })
		}
	}
}

func benchmarkSend(b *testing.B, size, atOnce int) {
	arrived := make(chan struct{}, 1<<16)
	receiver := newFakeReceiver(0xb)
	receiver.step = func(*raftpb.Message) { arrived <- struct{}{} }
	to, url, stopTo := benchmarkTransport(b, receiver)
	defer stopTo()
	from, fromURL, stopFrom := benchmarkTransport(b, newFakeReceiver(0xa))
	defer stopFrom()
	members := []*consensusv1.Member{{Id: 0xa, PeerUrls: []string{fromURL}}, {Id: 0xb, PeerUrls: []string{url}}}
	from.SetPeers(members)
	to.SetPeers(members)
	sender, taker := &node{receiver: newFakeReceiver(0xa)}, &node{receiver: receiver}
	m := heartbeat(sender, taker, 1)
	if size >= 0 {
		m = appended(sender, taker, 1, size)
		b.SetBytes(int64(size))
	}
	batch := make([]*raftpb.Message, atOnce)
	for i := range batch {
		batch[i] = m
	}
	for up := false; !up; { // the first ones may be lost
		from.Send(batch[:1])
		select {
		case <-arrived:
			up = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	for len(arrived) > 0 {
		<-arrived
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	for sent := 0; sent < b.N; {
		n := min(atOnce, b.N-sent)
		from.Send(batch[:n])
		for range n {
			<-arrived
		}
		sent += n
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}

func benchmarkTransport(b *testing.B, receiver *fakeReceiver) (*Transport, string, func()) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	t, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- t.Run(ctx, receiver, nil) }()
	go func() { ended <- t.Serve(ctx, listener, nil) }()
	return t, "http://" + listener.Addr().String(), func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
	}
}

// cpuTime is what the process has used, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
