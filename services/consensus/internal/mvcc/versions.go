package mvcc

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

const (
	listedDefault = 100
	listedMax     = 1000
	// listedBytesMax is where a list of versions with their values ends.
	listedBytesMax = 4 << 20
	// versionBytes is about what a version of an answer takes beside its value.
	versionBytes = 160
)

// listed is how many versions an answer may have.
func listed(limit int64) int {
	if limit <= 0 {
		return listedDefault
	}
	return int(min(limit, listedMax))
}

// Versions lists the versions of a key, the newest first, as far back as the compacted revision leaves them: all after it, and what was current at it.
func Versions(ctx context.Context, s *Store, req *quoratev1.HistoryRequest) (resp *quoratev1.HistoryResponse, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	newest := v.revision
	if before := req.GetBefore(); before > 0 {
		newest = min(newest, before-1)
	}
	resp = &quoratev1.HistoryResponse{Revision: v.revision, CompactedRevision: v.floor}
	lower, upper := NewSpan(req.GetKey(), nil).bounds()
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	left := answerRoom{count: listed(req.GetLimit()), bytes: listedBytesMax}
	// Of what is not above the compacted revision only the newest is left, whether the others are removed yet or not.
	for ok := it.SeekGE(appendVersionKey(nil, req.GetKey(), max(newest, v.floor))); ok; ok = it.Next() {
		var r Row
		if err := readRow(it, &r); err != nil {
			return nil, err
		}
		if r.Revision > newest || r.Tombstone && r.Revision < v.floor {
			break
		}
		if !left.some() {
			resp.More = true
			break
		}
		version, err := v.version(&r, req.GetWithValues())
		if err != nil {
			return nil, err
		}
		if err := left.take(ctx, len(version.GetValue())); err != nil {
			return nil, err
		}
		resp.Versions = append(resp.Versions, version)
		if r.Revision <= v.floor {
			break
		}
	}
	return resp, it.Error()
}

// answerRoom is what an answer may still take.
type answerRoom struct{ count, bytes int }

func (a *answerRoom) some() bool { return a.count > 0 && a.bytes > 0 }

func (a *answerRoom) take(ctx context.Context, value int) error {
	a.count--
	a.bytes -= value
	return Grow(ctx, int64(versionBytes+value))
}

// version returns a version as a message that shares no memory with it.
func (v *View) version(r *Row, withValue bool) (*quoratev1.Version, error) {
	at, err := v.madeAt(r.Revision)
	version := &quoratev1.Version{Revision: r.Revision, Deleted: r.Tombstone, TimeUnixNano: at}
	if r.Tombstone {
		return version, err
	}
	version.CreateRevision, version.Version, version.Lease, version.ValueBytes = r.Create, r.Version, r.Lease, int64(len(r.Value))
	if withValue {
		version.Value = slices.Clone(r.Value)
	}
	return version, err
}

// madeAt returns when a revision was made, 0 where that is not known, or is compacted.
func (v *View) madeAt(revision int64) (nanoseconds int64, err error) {
	if revision < v.floor {
		return 0, nil
	}
	_, nanoseconds, known, err := v.timeOf(revision)
	if !known {
		return 0, err
	}
	return nanoseconds, err
}
