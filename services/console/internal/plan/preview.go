package plan

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

// Preview tells what a plan would do.
func (p *Planner) Preview(ctx context.Context, r *consolev1.PreviewRequest) (*consolev1.PreviewResponse, error) {
	steps, revision, err := p.open(ctx, r.GetPlan(), r.GetRevision(), r.GetAfter())
	if err != nil {
		return nil, err
	}
	answer := &consolev1.PreviewResponse{Revision: revision, NextAfter: r.GetAfter()}
	living := living{client: p.leases}
	most, read, shown := limit(r.GetLimit(), previewDefault, previewMax), 0, 0
	for until := time.Now().Add(workMax); answer.LookedAt < lookedMax && int64(len(answer.Changes)) < most && read < readBytesMax && time.Now().Before(until); {
		s, err := steps.next(ctx)
		if err != nil {
			return nil, err
		}
		if s == nil {
			answer.NextAfter = nil
			return answer, nil
		}
		answer.LookedAt++
		answer.NextAfter = s.key
		if s.stays {
			continue
		}
		before, after, err := p.values(ctx, s, revision)
		if err != nil {
			return nil, err
		}
		read += len(before.GetValue()) + len(after.GetValue())
		change, err := living.change(ctx, s, before, after)
		if err != nil {
			return nil, err
		}
		if change == nil {
			continue // it is what it was, by another way
		}
		if r.GetWithValues() {
			if shown += len(before.GetValue()) + len(after.GetValue()); shown > shownBytesMax {
				change.ValuesLeftOut = true
			} else {
				change.ValueBefore, change.ValueAfter = before.GetValue(), after.GetValue()
			}
		}
		answer.Changes = append(answer.Changes, change)
	}
	answer.More = true
	return answer, nil
}

// values reads what a key is, and what it would be; nil where it is not there.
func (p *Planner) values(ctx context.Context, s *step, revision int64) (before, after *mvccpb.KeyValue, err error) {
	if s.before != nil {
		if before, err = p.get(ctx, s.key, revision); err != nil {
			return nil, nil, err
		}
	}
	if s.value != nil {
		after, err = s.value(ctx)
	}
	return before, after, err
}

// living knows which leases live, as far as it was asked.
type living struct {
	client etcdserverpb.LeaseClient
	known  map[int64]bool
}

func (l *living) lives(ctx context.Context, lease int64) (bool, error) {
	if lives, known := l.known[lease]; known {
		return lives, nil
	}
	found, err := l.client.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: lease})
	if err != nil {
		return false, err
	}
	if l.known == nil {
		l.known = map[int64]bool{}
	}
	l.known[lease] = found.GetTTL() > 0
	return l.known[lease], nil
}

// change says what happens to a key; nil for nothing.
func (l *living) change(ctx context.Context, s *step, before, after *mvccpb.KeyValue) (*consolev1.Change, error) {
	made := &consolev1.Change{
		Key: s.key, Kind: kindOf(s.before != nil, after != nil), ModRevision: s.before.GetModRevision(),
		BytesBefore: int64(len(before.GetValue())), BytesAfter: int64(len(after.GetValue())),
		LeaseBefore: before.GetLease(), LeaseAfter: after.GetLease(),
	}
	if lease := made.LeaseAfter; lease != 0 {
		lives, err := l.lives(ctx, lease)
		if err != nil {
			return nil, err
		}
		if !lives {
			made.LeaseAfter, made.LeaseGone = 0, true
		}
	}
	if before != nil && after != nil && string(before.GetValue()) == string(after.GetValue()) && made.LeaseBefore == made.LeaseAfter {
		return nil, nil
	}
	return made, nil
}
