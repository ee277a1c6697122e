package plan

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/keyrange"
)

const (
	// lookedMax bounds the keys that one call looks at, and readBytesMax the values that it reads.
	lookedMax, readBytesMax = 20_000, 8 << 20
	// workMax is how long one call goes on with another key.
	workMax = 3 * time.Second
	// previewMax and applyMax bound the changes of one call.
	previewMax, previewDefault = 1000, 100
	applyMax, applyDefault     = 1000, 256
	// shownBytesMax bounds the values of a preview together.
	shownBytesMax = 1 << 20
	// namedMax bounds the keys that a plan names, and importBytesMax what it brings.
	namedMax, importBytesMax = 1000, 2 << 20
)

// Planner previews plans and applies them. Its methods may be called concurrently.
type Planner struct {
	kv     etcdserverpb.KVClient
	leases etcdserverpb.LeaseClient
	// opsMax is how many changes go into one transaction.
	opsMax int
}

// New returns a planner that makes its calls through conn. A transaction may have txnOpsMax operations.
func New(conn grpc.ClientConnInterface, txnOpsMax uint) *Planner {
	return &Planner{kv: etcdserverpb.NewKVClient(conn), leases: etcdserverpb.NewLeaseClient(conn), opsMax: max(1, min(batchMax, int(txnOpsMax)))}
}

func refuse(format string, values ...any) error {
	return status.Errorf(codes.InvalidArgument, "quorate: "+format, values...)
}

// limit returns what was asked for, within bounds.
func limit(asked, otherwise, most int64) int64 {
	if asked <= 0 {
		return otherwise
	}
	return min(asked, most)
}

// revision returns the revision to work at: the one that is named, or the newest, which is asked for with a read that the plan needs the
// right to anyway.
func (p *Planner) revision(ctx context.Context, named int64, span span) (int64, error) {
	if named != 0 {
		return named, nil
	}
	found, err := p.kv.Range(ctx, &etcdserverpb.RangeRequest{Key: span.key, RangeEnd: span.end, Limit: 1, KeysOnly: true})
	if err != nil {
		return 0, err
	}
	return found.GetHeader().GetRevision(), nil
}

// get reads one key at a revision; nil where it was not there.
func (p *Planner) get(ctx context.Context, key []byte, revision int64) (*mvccpb.KeyValue, error) {
	// The revision is one that the node has shown: no other member needs to be asked.
	found, err := p.kv.Range(ctx, &etcdserverpb.RangeRequest{Key: key, Revision: revision, Serializable: true})
	if err != nil || len(found.GetKvs()) == 0 {
		return nil, err
	}
	return found.GetKvs()[0], nil
}

// span is a range of keys, as etcd's.
type span struct{ key, end []byte }

// below is the range of all keys that begin with a prefix.
func below(prefix []byte) span {
	key, end := keyrange.Prefix(prefix)
	return span{key, end}
}

// after is the part of a range behind a key.
func (s span) after(key []byte) span {
	if len(key) == 0 || bytes.Compare(key, s.key) < 0 {
		return s
	}
	return span{keyrange.After(key), s.end}
}

// pageKeys is how many keys are read at a time.
const pageKeys = 1000

// keys reads the keys of a range at a revision one by one, without values.
type keys struct {
	kv       etcdserverpb.KVClient
	span     span
	revision int64
	page     []*mvccpb.KeyValue
	last     bool
}

// peek returns the next key, nil at the end.
func (k *keys) peek(ctx context.Context) (*mvccpb.KeyValue, error) {
	if len(k.page) == 0 && !k.last {
		found, err := k.kv.Range(ctx, &etcdserverpb.RangeRequest{
			Key: k.span.key, RangeEnd: k.span.end, Revision: k.revision, Limit: pageKeys, KeysOnly: true, Serializable: true,
		})
		if err != nil {
			return nil, err
		}
		k.page, k.last = found.GetKvs(), !found.GetMore()
		if n := len(k.page); n > 0 {
			k.span = k.span.after(k.page[n-1].GetKey())
		}
	}
	if len(k.page) == 0 {
		return nil, nil
	}
	return k.page[0], nil
}

func (k *keys) next() { k.page = k.page[1:] }

// kindOf tells what becomes of a key.
func kindOf(before, after bool) consolev1.Change_Kind {
	switch {
	case !before:
		return consolev1.Change_KIND_CREATE
	case !after:
		return consolev1.Change_KIND_DELETE
	}
	return consolev1.Change_KIND_UPDATE
}
