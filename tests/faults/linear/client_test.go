package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// answerWithin is how long a client waits before it counts an operation as unanswered.
const answerWithin = 3 * time.Second

// client calls one operation after the other and records the answers.
type client struct {
	id      int
	etcd    *clientv3.Client
	random  *rand.Rand
	begin   time.Time
	values  int
	latest  [keys]int64 // the revisions of modification that it has last read, for swaps
	history []porcupine.Operation
}

func newClient(id int, seed uint64, endpoint string, begin time.Time) (*client, error) {
	etcd, err := harness.Dial(endpoint)
	return &client{id: id, etcd: etcd, random: rand.New(rand.NewPCG(seed, uint64(id))), begin: begin}, err
}

func name(key int) string { return "k" + strconv.Itoa(key) }

// call makes one operation. It reports whether it was answered.
func (c *client) call() (bool, error) {
	c.values++
	in := input{
		kind:  []kind{get, get, list, put, put, put, remove, swap, swap, move}[c.random.IntN(10)],
		key:   c.random.IntN(keys),
		value: c.id*1_000_000 + c.values,
	}
	in.other = (in.key + 1 + c.random.IntN(keys-1)) % keys
	in.expect = c.latest[in.key]
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	called := time.Since(c.begin)
	out, err := c.do(ctx, in)
	returned := time.Since(c.begin)
	if err != nil {
		if in.kind == get || in.kind == list {
			// A read without an answer changes nothing and says nothing.
			return false, nil
		}
		out = output{unknown: true}
	}
	if out.revision < 0 {
		return false, fmt.Errorf("%s: a key or a value that nobody wrote", describe(in, out))
	}
	c.history = append(c.history, porcupine.Operation{
		ClientId: c.id, Input: in, Call: int64(called), Output: out, Return: int64(returned),
	})
	return !out.unknown, nil
}

func (c *client) do(ctx context.Context, in input) (output, error) {
	key := name(in.key)
	switch in.kind {
	case get, list:
		opts := []clientv3.OpOption{}
		if in.kind == list {
			key, opts = "k", append(opts, clientv3.WithPrefix())
		}
		resp, err := c.etcd.Get(ctx, key, opts...)
		if err != nil {
			return output{}, err
		}
		return c.read(output{revision: resp.Header.Revision}, resp.Kvs), nil
	case put:
		resp, err := c.etcd.Put(ctx, key, strconv.Itoa(in.value))
		if err != nil {
			return output{}, err
		}
		return output{revision: resp.Header.Revision}, nil
	case remove:
		resp, err := c.etcd.Delete(ctx, key)
		if err != nil {
			return output{}, err
		}
		return output{revision: resp.Header.Revision, deleted: resp.Deleted}, nil
	case swap:
		resp, err := c.etcd.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", in.expect)).
			Then(clientv3.OpPut(key, strconv.Itoa(in.value))).
			Else(clientv3.OpGet(key)).Commit()
		if err != nil {
			return output{}, err
		}
		out := output{revision: resp.Header.Revision, swapped: resp.Succeeded}
		if !resp.Succeeded {
			out = c.read(out, resp.Responses[0].GetResponseRange().Kvs)
		}
		return out, nil
	default: // move
		resp, err := c.etcd.Txn(ctx).Then(clientv3.OpPut(key, strconv.Itoa(in.value)), clientv3.OpDelete(name(in.other))).Commit()
		if err != nil {
			return output{}, err
		}
		return output{revision: resp.Header.Revision, deleted: resp.Responses[1].GetResponseDeleteRange().Deleted}, nil
	}
}

// read adds what was read to an answer. A key or value of another form makes the revision negative.
func (c *client) read(out output, kvs []*mvccpb.KeyValue) output {
	for _, kv := range kvs {
		key, err := strconv.Atoi(string(kv.Key[1:]))
		value, err2 := strconv.Atoi(string(kv.Value))
		if err != nil || err2 != nil || key < 0 || key >= keys {
			out.revision = -1
			return out
		}
		out.entries[key] = entry{value: value, mod: kv.ModRevision, version: kv.Version}
		c.latest[key] = kv.ModRevision
	}
	return out
}
