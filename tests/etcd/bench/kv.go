package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// keyEnd is beyond every key of fill with the prefix.
func keyEnd(prefix string) []byte { return []byte(prefix + "0") }

func rangeMany(t *trial) error {
	l, err := newLoad(t, 16)
	if err != nil {
		return err
	}
	defer l.close()
	const keys = 1000
	if err := l.fill("key", keys, 1000); err != nil {
		return err
	}
	ops := t.times(3_000)
	return t.measure(ops, func() error {
		took, err := l.run(ops, 16, func(_, client int) error {
			resp, err := l.kv(client).Range(l.ctx, &pb.RangeRequest{Key: []byte("key/"), RangeEnd: keyEnd("key")})
			if err == nil && len(resp.Kvs) != keys {
				err = fmt.Errorf("%d keys of %d", len(resp.Kvs), keys)
			}
			return err
		})
		t.latencies(took)
		return err
	})
}

// list reads all keys as Kubernetes does: pages at the first page's revision, each with the count of what is left.
func list(t *trial) error {
	l, err := newLoad(t, 4)
	if err != nil {
		return err
	}
	defer l.close()
	keys := t.times(100_000)
	if err := l.fill("key", keys, 1000); err != nil {
		return err
	}
	const lists = 8
	return t.measure(lists*keys, func() error {
		pages := make([][]time.Duration, 4)
		_, err := l.run(lists, 4, func(_, client int) error {
			took, err := l.list(client, keys)
			pages[client] = append(pages[client], took...)
			return err
		})
		var all []time.Duration
		for _, took := range pages {
			all = append(all, took...)
		}
		t.latencies(all)
		return err
	})
}

// list returns how long each page took.
func (l *load) list(client, keys int) ([]time.Duration, error) {
	var took []time.Duration
	request := &pb.RangeRequest{Key: []byte("key/"), RangeEnd: keyEnd("key"), Limit: 500}
	for seen := 0; ; {
		begin := time.Now()
		resp, err := l.kv(client).Range(l.ctx, request)
		if err != nil {
			return took, err
		}
		took = append(took, time.Since(begin))
		if int(resp.Count) != keys-seen {
			return took, fmt.Errorf("a page after %d keys counts %d", seen, resp.Count)
		}
		seen += len(resp.Kvs)
		if !resp.More {
			return took, nil
		}
		request.Revision = resp.Header.Revision
		request.Key = append(bytes.Clone(resp.Kvs[len(resp.Kvs)-1].Key), 0)
	}
}

// transact updates keys as Kubernetes does: put if the key was not modified since it was read, else read it.
func transact(t *trial) error {
	l, err := newLoad(t, 100)
	if err != nil {
		return err
	}
	defer l.close()
	const clients, keys = 100, 1000
	if err := l.fill("key", keys, 256); err != nil {
		return err
	}
	value := bytes.Repeat([]byte("w"), 256)
	// Each client has keys of its own, and what it knows of their revisions; 0 is wrong and makes it read first.
	var known [clients][keys / clients]int64
	ops := t.times(40_000)
	return t.measure(ops, func() error {
		took, err := l.run(ops, clients, func(op, client int) error {
			i := op % (keys / clients)
			key := []byte(fillKey("key", client*(keys/clients)+i))
			resp, err := l.kv(client).Txn(l.ctx, &pb.TxnRequest{
				Compare: []*pb.Compare{{
					Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, Key: key,
					TargetUnion: &pb.Compare_ModRevision{ModRevision: known[client][i]},
				}},
				Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: value}}}},
				Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key}}}},
			})
			if err != nil {
				return err
			}
			if resp.Succeeded {
				known[client][i] = resp.Header.Revision
				return nil
			}
			kvs := resp.Responses[0].GetResponseRange().GetKvs()
			if len(kvs) != 1 {
				return errors.New("the key is gone")
			}
			known[client][i] = kvs[0].ModRevision
			return nil
		})
		t.latencies(took)
		return err
	})
}
