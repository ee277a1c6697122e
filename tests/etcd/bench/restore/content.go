package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	orderRandom = "random"
	orderSorted = "sorted"
	// fillClients put at the same time, fillOps keys in a transaction each.
	fillClients, fillOps = 16, 100
	seed                 = 1
)

// content is what a snapshot has.
type content struct {
	keys, valueBytes int
	order            string
}

func (c *content) check() error {
	if c.keys < 1 || c.valueBytes < 0 || c.order != orderRandom && c.order != orderSorted {
		return fmt.Errorf("-keys=%d -value=%d -order=%s: numbers are wanted, and %s or %s", c.keys, c.valueBytes, c.order, orderRandom, orderSorted)
	}
	return nil
}

// name is the file's.
func (c *content) name() string { return fmt.Sprintf("%d-%d-%s.db", c.keys, c.valueBytes, c.order) }

// save makes the snapshot, unless it is there.
func (c *content) save(ctx context.Context, server, path string) (err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := path + ".server"
	defer os.RemoveAll(dir)
	s := harness.New(harness.Config{Binary: server, DataDir: dir})
	if err := s.Start(ctx); err != nil {
		return err
	}
	defer func() {
		_, stopped := s.Stop(syscall.SIGTERM)
		err = errors.Join(err, stopped)
	}()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := c.fill(ctx, client); err != nil {
		return err
	}
	r, err := client.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	part := path + ".part"
	f, err := os.Create(part)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// fill puts the keys.
func (c *content) fill(ctx context.Context, client *clientv3.Client) error {
	numbers := make([]int, c.keys)
	for i := range numbers {
		numbers[i] = i
	}
	if c.order == orderRandom {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(numbers), func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fillClients)
	for at := 0; at < c.keys && ctx.Err() == nil; at += fillOps {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(seed, uint64(at+1)))
			var ops []clientv3.Op
			for _, n := range numbers[at:min(at+fillOps, c.keys)] {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("/registry/things/%012d", n), value(random, c.valueBytes)))
			}
			_, err := client.Txn(ctx).Then(ops...).Commit()
			return err
		})
	}
	return group.Wait()
}

// value is text of which two fifths are random digits, so that it compresses about as what is stored in JSON does.
func value(random *rand.Rand, size int) string {
	var b strings.Builder
	bits := make([]byte, 16)
	for b.Len() < size {
		for i := range bits {
			bits[i] = byte(random.Uint32())
		}
		fmt.Fprintf(&b, `{"kind":"Thing","metadata":{"uid":"%s"}},`, hex.EncodeToString(bits))
	}
	return b.String()[:size]
}
