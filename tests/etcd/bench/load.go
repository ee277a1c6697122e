package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// messageBytesMax lets a client take an answer of any size that is asked for here.
	messageBytesMax = 64 << 20
	// fillClients load a server before it is measured; fillOps are the puts of one of their transactions.
	fillClients, fillOps = 64, 100
)

// load is a small load generator on raw gRPC, for the cases that etcd's tool lacks.
type load struct {
	ctx   context.Context
	conns []*grpc.ClientConn
}

// newLoad has connections to the members in turn.
func newLoad(t *trial, conns int) (*load, error) {
	l := &load{ctx: t.ctx}
	servers := t.servers()
	for i := range conns {
		conn, err := grpc.NewClient(servers[i%len(servers)].Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax)))
		if err != nil {
			l.close()
			return nil, err
		}
		l.conns = append(l.conns, conn)
	}
	return l, nil
}

func (l *load) close() {
	for _, conn := range l.conns {
		conn.Close()
	}
}

func (l *load) kv(client int) pb.KVClient { return pb.NewKVClient(l.conns[client%len(l.conns)]) }

func (l *load) lease(client int) pb.LeaseClient {
	return pb.NewLeaseClient(l.conns[client%len(l.conns)])
}

// run has clients make ops calls in all, each client one after the other, and returns how long each took.
// Each call is told its number and its client.
func (l *load) run(ops, clients int, call func(op, client int) error) ([]time.Duration, error) {
	var next atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var group errgroup.Group
	for client := range clients {
		group.Go(func() error {
			var mine []time.Duration
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, mine...)
			}()
			for {
				op := int(next.Add(1)) - 1
				if op >= ops || l.ctx.Err() != nil {
					return l.ctx.Err()
				}
				begin := time.Now()
				if err := call(op, client); err != nil {
					return err
				}
				mine = append(mine, time.Since(begin))
			}
		})
	}
	err := group.Wait()
	return all, err
}

// fillKey names a key of fill; they sort by number.
func fillKey(prefix string, i int) string { return fmt.Sprintf("%s/%08d", prefix, i) }

// fill puts n keys.
func (l *load) fill(prefix string, n, valueBytes int) error {
	value := bytes.Repeat([]byte("v"), valueBytes)
	_, err := l.run((n+fillOps-1)/fillOps, fillClients, func(op, client int) error {
		txn := &pb.TxnRequest{}
		for i := op * fillOps; i < min(n, (op+1)*fillOps); i++ {
			txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
				RequestPut: &pb.PutRequest{Key: []byte(fillKey(prefix, i)), Value: value},
			}})
		}
		_, err := l.kv(client).Txn(l.ctx, txn)
		return err
	})
	return err
}
