package plan

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/keyrange"
)

// step is one key that a plan has looked at.
type step struct {
	key []byte
	// before is the key as it is at the plan's revision, without its value and lease; nil where it is not there.
	before *mvccpb.KeyValue
	// stays says that nothing happens to it. Otherwise it becomes what value returns, and is deleted where that is nil.
	stays bool
	value func(context.Context) (*mvccpb.KeyValue, error)
}

// source has the steps of a plan in the order of their keys.
type source interface {
	// next returns the next step, nil at the end.
	next(context.Context) (*step, error)
}

// open checks a plan and returns its steps behind a key, and the revision at which they are: the one that is named, or the newest.
func (p *Planner) open(ctx context.Context, plan *consolev1.Plan, revision int64, after []byte) (source, int64, error) {
	switch change := plan.GetChange().(type) {
	case *consolev1.Plan_PutBack:
		return p.openPutBack(ctx, change.PutBack, revision, after)
	case *consolev1.Plan_Delete:
		return p.openDelete(ctx, change.Delete, revision, after)
	case *consolev1.Plan_Import:
		return p.openImport(ctx, change.Import, revision, after)
	}
	return nil, 0, refuse("the plan says nothing: put_back, delete and import are known")
}

// putBack compares the keys of two revisions.
type putBack struct {
	planner *Planner
	was, is keys
}

func (p *Planner) openPutBack(ctx context.Context, r *consolev1.PutBack, revision int64, after []byte) (source, int64, error) {
	of := span{key: r.GetKey()}
	switch {
	case r.GetToRevision() <= 0:
		return nil, 0, refuse("to_revision is missing: which revision is to be gone back to")
	case r.GetPrefix():
		of = below(r.GetKey())
	case len(r.GetKey()) == 0:
		return nil, 0, refuse("the key to put back is empty; with prefix that stands for all keys")
	}
	revision, err := p.revision(ctx, revision, of)
	if err != nil {
		return nil, 0, err
	}
	if len(of.end) == 0 {
		if len(after) > 0 {
			return &named{}, revision, nil
		}
		of.end = keyrange.After(of.key)
	}
	of = of.after(after)
	return &putBack{
		planner: p,
		was:     keys{kv: p.kv, span: of, revision: r.GetToRevision()},
		is:      keys{kv: p.kv, span: of, revision: revision},
	}, revision, nil
}

func (b *putBack) next(ctx context.Context) (*step, error) {
	was, err := b.was.peek(ctx)
	if err != nil {
		return nil, err
	}
	is, err := b.is.peek(ctx)
	if err != nil {
		return nil, err
	}
	if was == nil && is == nil {
		return nil, nil
	}
	order := 0
	switch {
	case was == nil:
		order = 1
	case is == nil:
		order = -1
	default:
		order = bytes.Compare(was.GetKey(), is.GetKey())
	}
	made := &step{}
	if order <= 0 {
		b.was.next()
		made.key = was.GetKey()
		made.value = func(ctx context.Context) (*mvccpb.KeyValue, error) {
			return b.planner.get(ctx, was.GetKey(), b.was.revision)
		}
	}
	if order >= 0 {
		b.is.next()
		made.key, made.before = is.GetKey(), is
	}
	made.stays = order == 0 && was.GetModRevision() == is.GetModRevision()
	return made, nil
}

// named are the steps of keys that a plan names.
type named struct {
	planner  *Planner
	revision int64
	keys     [][]byte
	// of makes the step of a key.
	of func(key []byte, before *mvccpb.KeyValue) *step
}

func (n *named) next(ctx context.Context) (*step, error) {
	if len(n.keys) == 0 {
		return nil, nil
	}
	key := n.keys[0]
	before, err := n.planner.get(ctx, key, n.revision)
	if err != nil {
		return nil, err
	}
	n.keys = n.keys[1:]
	return n.of(key, before), nil
}

// sortedBehind returns the keys behind one, in order and each once.
func sortedBehind(keys [][]byte, after []byte) [][]byte {
	keys = slices.CompactFunc(slices.SortedFunc(slices.Values(keys), bytes.Compare), bytes.Equal)
	if len(after) == 0 {
		return keys
	}
	return slices.DeleteFunc(keys, func(key []byte) bool { return bytes.Compare(key, after) <= 0 })
}

// deletion deletes all keys of a range.
type deletion struct{ is keys }

func (p *Planner) openDelete(ctx context.Context, r *consolev1.BulkDelete, revision int64, after []byte) (source, int64, error) {
	switch {
	case len(r.GetKeys()) > 0 && (r.GetAll() || len(r.GetPrefix()) > 0):
		return nil, 0, refuse("either keys, or a prefix, or all are deleted")
	case len(r.GetKeys()) > namedMax:
		return nil, 0, refuse("%d keys are named, %d may be", len(r.GetKeys()), namedMax)
	case len(r.GetKeys()) > 0:
		keys := sortedBehind(r.GetKeys(), nil)
		if len(keys[0]) == 0 {
			return nil, 0, refuse("an empty key is named")
		}
		revision, err := p.revision(ctx, revision, span{key: keys[0]})
		return &named{planner: p, revision: revision, keys: sortedBehind(keys, after), of: func(key []byte, before *mvccpb.KeyValue) *step {
			return &step{key: key, before: before, stays: before == nil}
		}}, revision, err
	case len(r.GetPrefix()) == 0 && !r.GetAll():
		return nil, 0, refuse("the prefix to delete is empty; all says that all keys are meant")
	}
	of := below(r.GetPrefix())
	revision, err := p.revision(ctx, revision, of)
	return &deletion{keys{kv: p.kv, span: of.after(after), revision: revision}}, revision, err
}

func (d *deletion) next(ctx context.Context) (*step, error) {
	is, err := d.is.peek(ctx)
	if err != nil || is == nil {
		return nil, err
	}
	d.is.next()
	return &step{key: is.GetKey(), before: is}, nil
}

func (p *Planner) openImport(ctx context.Context, r *consolev1.Import, revision int64, after []byte) (source, int64, error) {
	if len(r.GetEntries()) == 0 || len(r.GetEntries()) > namedMax {
		return nil, 0, refuse("%d entries are to be put, it must be 1 to %d", len(r.GetEntries()), namedMax)
	}
	values, keys, size := map[string][]byte{}, make([][]byte, 0, len(r.GetEntries())), 0
	for _, entry := range r.GetEntries() {
		if len(entry.GetKey()) == 0 {
			return nil, 0, refuse("the key of an entry is empty")
		}
		if _, twice := values[string(entry.GetKey())]; twice {
			return nil, 0, refuse("the key %q is in two entries", entry.GetKey())
		}
		values[string(entry.GetKey())] = entry.GetValue()
		keys = append(keys, entry.GetKey())
		size += len(entry.GetKey()) + len(entry.GetValue())
	}
	if size > importBytesMax {
		return nil, 0, refuse("the entries have %d bytes, they may have %d together", size, importBytesMax)
	}
	keys = sortedBehind(keys, nil)
	revision, err := p.revision(ctx, revision, span{key: keys[0]})
	return &named{planner: p, revision: revision, keys: sortedBehind(keys, after), of: func(key []byte, before *mvccpb.KeyValue) *step {
		value := values[string(key)]
		return &step{
			key: key, before: before,
			stays: before != nil && (r.GetOnlyNew() || bytes.Equal(before.GetValue(), value)),
			value: func(context.Context) (*mvccpb.KeyValue, error) {
				return &mvccpb.KeyValue{Key: key, Value: value, Lease: before.GetLease()}, nil
			},
		}
	}}, revision, err
}
