package linear

import (
	"context"
	"fmt"
	"strconv"

	"github.com/anishathalye/porcupine"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// stored is what the store itself says of its history: the revision at which each value was put, and the deletions of each key.
type stored struct {
	puts    map[int]int64
	deletes map[int]map[int64]bool
}

// recall reads the whole history by a watch from the first revision on.
func recall(ctx context.Context, etcd *clientv3.Client) (stored, error) {
	s := stored{puts: map[int]int64{}, deletes: map[int]map[int64]bool{}}
	for key := range keys {
		s.deletes[key] = map[int64]bool{}
	}
	resp, err := etcd.Get(ctx, "none")
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for seen := range etcd.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(1)) {
		for _, event := range seen.Events {
			key, err := strconv.Atoi(string(event.Kv.Key[1:]))
			if err != nil {
				return s, err
			}
			if event.Type == mvccpb.Event_DELETE {
				s.deletes[key][event.Kv.ModRevision] = true
				continue
			}
			value, err := strconv.Atoi(string(event.Kv.Value))
			if err != nil {
				return s, err
			}
			s.puts[value] = event.Kv.ModRevision
		}
		// The header may run ahead of the events, which come in parts.
		if n := len(seen.Events); n > 0 && seen.Events[n-1].Kv.ModRevision >= resp.Header.Revision {
			return s, seen.Err()
		}
	}
	return s, fmt.Errorf("the watch of the history ended: %w", ctx.Err())
}

// resolve settles what the operations without an answer did, where the stored history tells: one that has left no trace never took effect and is
// dropped, one that has gets its revision. That keeps the search short: every operation that may be anywhere doubles it. It cannot hide a
// fault, because a history that lies leaves a revision that no operation accounts for, or two that claim the same.
func (s stored) resolve(history []porcupine.Operation) []porcupine.Operation {
	for _, op := range history {
		if out := op.Output.(output); !out.unknown && out.deleted > 0 {
			in := op.Input.(input)
			delete(s.deletes[in.key], out.revision)
			delete(s.deletes[in.other], out.revision)
		}
	}
	var resolved []porcupine.Operation
	for _, op := range history {
		in, out := op.Input.(input), op.Output.(output)
		if out.unknown {
			if in.kind == remove {
				if len(s.deletes[in.key]) == 0 {
					continue
				}
			} else {
				revision, happened := s.puts[in.value]
				if !happened {
					continue
				}
				out = output{revision: revision, swapped: in.kind == swap}
				if in.kind == move && s.deletes[in.other][revision] {
					out.deleted = 1
				}
				op.Output = out
			}
		}
		resolved = append(resolved, op)
	}
	return resolved
}
