package workload

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// perform asks the store for an operation, a single step by its own call and others by a transaction, and writes the answer into it.
func perform(ctx context.Context, etcd *clientv3.Client, op *history.Operation) error {
	if len(op.Conditions) == 0 && len(op.Then) == 1 {
		resp, err := etcd.Do(ctx, request(op.Then[0], op.Serializable))
		if err != nil {
			return err
		}
		op.Succeeded = true
		switch {
		case resp.Get() != nil:
			op.Revision, op.Results = resp.Get().Header.Revision, []history.Result{ranged((*etcdserverpb.RangeResponse)(resp.Get()))}
		case resp.Put() != nil:
			op.Revision, op.Results = resp.Put().Header.Revision, []history.Result{written((*etcdserverpb.PutResponse)(resp.Put()))}
		default:
			op.Revision, op.Results = resp.Del().Header.Revision, []history.Result{deleted((*etcdserverpb.DeleteRangeResponse)(resp.Del()))}
		}
		return nil
	}
	var conditions []clientv3.Cmp
	for _, c := range op.Conditions {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(c.Key), "=", c.Mod))
	}
	resp, err := etcd.Txn(ctx).If(conditions...).Then(requests(op.Then)...).Else(requests(op.Else)...).Commit()
	if err != nil {
		return err
	}
	op.Revision, op.Succeeded = resp.Header.Revision, resp.Succeeded
	for _, one := range resp.Responses {
		switch {
		case one.GetResponseRange() != nil:
			op.Results = append(op.Results, ranged(one.GetResponseRange()))
		case one.GetResponsePut() != nil:
			op.Results = append(op.Results, written(one.GetResponsePut()))
		default:
			op.Results = append(op.Results, deleted(one.GetResponseDeleteRange()))
		}
	}
	return nil
}

func requests(steps []history.Step) []clientv3.Op {
	var ops []clientv3.Op
	for _, step := range steps {
		ops = append(ops, request(step, false))
	}
	return ops
}

func request(step history.Step, serializable bool) clientv3.Op {
	var opts []clientv3.OpOption
	if step.Prefix {
		opts = append(opts, clientv3.WithPrefix())
	}
	switch step.Kind {
	case history.Get:
		if serializable {
			opts = append(opts, clientv3.WithSerializable())
		}
		return clientv3.OpGet(step.Key, opts...)
	case history.Put:
		return clientv3.OpPut(step.Key, step.Value, clientv3.WithPrevKV(), clientv3.WithLease(clientv3.LeaseID(step.Lease)))
	default:
		return clientv3.OpDelete(step.Key, append(opts, clientv3.WithPrevKV())...)
	}
}

func ranged(resp *etcdserverpb.RangeResponse) history.Result {
	return history.Result{Entries: entries(resp.Kvs)}
}

func written(resp *etcdserverpb.PutResponse) history.Result {
	if resp.PrevKv == nil {
		return history.Result{}
	}
	return history.Result{Entries: entries([]*mvccpb.KeyValue{resp.PrevKv})}
}

func deleted(resp *etcdserverpb.DeleteRangeResponse) history.Result {
	return history.Result{Entries: entries(resp.PrevKvs), Deleted: resp.Deleted}
}

func entries(kvs []*mvccpb.KeyValue) []history.Entry {
	var all []history.Entry
	for _, kv := range kvs {
		all = append(all, entry(kv))
	}
	return all
}

func entry(kv *mvccpb.KeyValue) history.Entry {
	return history.Entry{
		Key: string(kv.Key), Value: string(kv.Value),
		Create: kv.CreateRevision, Mod: kv.ModRevision, Version: kv.Version, Lease: kv.Lease,
	}
}
