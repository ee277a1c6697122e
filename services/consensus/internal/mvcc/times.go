package mvcc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The store knows when its revisions were made, to the second: the leader puts the time of its clock into each log entry, and a
// sparse index leads from revisions to times. It has a row where a revision is the first for timeStep, so that it grows by the
// seconds in which something was written and not by revisions, and an idle store adds nothing. Compaction takes the rows of
// what it hides. They count neither for the quota nor in the digest: members of before they were kept have none.

// timeStep is how far apart the rows of the index are at the least.
const timeStep = int64(time.Second)

// SetTime tells when the entry whose commands follow was put into the log: nanoseconds since 1970 by the leader's clock, 0 where it
// did not say. Leaders' clocks differ, and time in the store never goes back: revisions whose time is earlier than the last
// in the index were made then.
func (b *Batch) SetTime(nanoseconds int64) { b.time = nanoseconds }

// noteTime has the index tell the time of the revision that was just made, unless that of one shortly before does.
func noteTime(b *Batch) {
	if b.time < b.now.timed+timeStep {
		return
	}
	b.now.timed = b.time
	b.w.valueBuf = binary.BigEndian.AppendUint64(b.w.valueBuf[:0], uint64(b.time))
	b.w.set(appendTimeKey(b.w.keyBuf[:0], b.now.revision), b.w.valueBuf)
}

// loadTimes finds where the index ends.
func loadTimes(s *Store, st *state) error {
	v := &View{s: s, state: st}
	var err error
	if v.it, err = s.db.NewIter(nil); err != nil {
		return err
	}
	_, st.timed, _, err = v.timeOf(st.revision)
	return errors.Join(err, v.Close())
}

// TimeOf returns when a revision was made, to timeStep, as nanoseconds since 1970; false where that was not kept, or is compacted.
func (s *Store) TimeOf(ctx context.Context, revision int64) (nanoseconds int64, known bool, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if revision < v.floor || revision > v.revision {
		return 0, false, nil
	}
	_, nanoseconds, known, err = v.timeOf(revision)
	return nanoseconds, known, err
}

// timeOf returns the last row of the index up to a revision.
func (v *View) timeOf(revision int64) (at, nanoseconds int64, known bool, err error) {
	lower, upper := spaceTime.bounds()
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return 0, 0, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.SeekLT(appendTimeKey(nil, revision+1)) {
		return 0, 0, false, it.Error()
	}
	if at, err = splitTimeKey(it.Key()); err != nil {
		return 0, 0, false, err
	}
	value, err := it.ValueAndErr()
	if err == nil && len(value) != 8 {
		err = fmt.Errorf("time of revision %d, %.16x: %w", at, value, errBadRecord)
	}
	if err != nil {
		return 0, 0, false, err
	}
	return at, int64(binary.BigEndian.Uint64(value)), true, nil
}

// dropTimes removes what tells only of revisions below one.
func (v *View) dropTimes(pb *pebble.Batch, below int64) error {
	at, _, known, err := v.timeOf(below)
	if err != nil || !known {
		return err
	}
	lower, _ := spaceTime.bounds()
	return pb.DeleteRange(lower, appendTimeKey(nil, at), nil)
}

func appendTimeKey(dst []byte, revision int64) []byte {
	dst = append(dst, byte(spaceTime))
	dst = binary.BigEndian.AppendUint64(dst, uint64(revision))
	return append(dst, 0)
}

func splitTimeKey(k []byte) (revision int64, err error) {
	if len(k) != 1+8+1 || k[0] != byte(spaceTime) || k[len(k)-1] != 0 {
		return 0, fmt.Errorf("time %x: %w", k, errBadKey)
	}
	return int64(binary.BigEndian.Uint64(k[1:])), nil
}
