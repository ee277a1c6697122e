package mvcc

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// What Load writes beside versions and their history, a space each, in the order of its rows.

func (l *loading) writeDirs() error {
	if l.content.Dirs == nil {
		return nil
	}
	w := follower{l: l}
	for dir, err := range l.content.Dirs {
		if err != nil {
			return err
		}
		l.now.sum += hashDir(dir.Path, &dir.Dir)
		l.now.usage.live += dirUsage(dir.Path, &dir.Dir)
		if err := w.addExpiry(expiryDir, dir.Path, dir.Expiration); err != nil {
			return err
		}
		l.keyBuf, l.valueBuf = appendDirKey(l.keyBuf[:0], dir.Path), appendDir(l.valueBuf[:0], &dir.Dir)
		if err := l.set(l.keyBuf, l.valueBuf); err != nil {
			return err
		}
	}
	l.now.usage.live += w.live
	return l.rows.cut()
}

// follower lists what follows from a key or directory. It is for one goroutine.
type follower struct {
	l *loading
	// live is what the rows take.
	live   int64
	keyBuf []byte
}

// addExpiry lists the end of a file or directory, unless it has none.
func (f *follower) addExpiry(kind byte, path []byte, at int64) error {
	if at == 0 {
		return nil
	}
	f.live += expiryRowBytes + int64(len(path))
	f.keyBuf = appendExpiryKey(f.keyBuf[:0], at, kind, path)
	return f.l.expiries.add(f.keyBuf, noValue)
}

// addAttachment lists a key with its lease, unless it has none.
func (f *follower) addAttachment(lease int64, key []byte) error {
	if lease == 0 {
		return nil
	}
	f.live += attachmentRowBytes + int64(len(key))
	f.keyBuf = appendAttachmentKey(f.keyBuf[:0], lease, key)
	return f.l.attachments.add(f.keyBuf, noValue)
}

func noValue(dst []byte) ([]byte, error) { return dst, nil }

func (l *loading) writeCounts() error {
	for _, bucket := range l.counts {
		l.keyBuf = appendCountKey(l.keyBuf[:0], bucket.Low)
		l.valueBuf = binary.AppendUvarint(l.valueBuf[:0], uint64(bucket.Keys))
		if err := l.set(l.keyBuf, l.valueBuf); err != nil {
			return err
		}
	}
	return l.rows.cut()
}

// writeLeases gathers the leases first: they are few and small beside the data.
func (l *loading) writeLeases() error {
	leases := map[uint64]LeaseTimes{}
	if l.content.Leases != nil {
		for lease, err := range l.content.Leases {
			if err != nil {
				return err
			}
			leases[uint64(lease.GetId())] = LeaseTimes{Granted: lease.GetGrantedTtl(), Remaining: lease.GetRemainingTtl()}
		}
	}
	l.loaded.Leases = int64(len(leases))
	for _, id := range slices.Sorted(maps.Keys(leases)) {
		times := leases[id]
		l.now.sum += hashLease(int64(id), times)
		l.now.usage.live += leaseRowBytes
		l.keyBuf, l.valueBuf = appendLeaseKey(l.keyBuf[:0], int64(id)), appendLease(l.valueBuf[:0], times)
		if err := l.set(l.keyBuf, l.valueBuf); err != nil {
			return err
		}
	}
	return l.rows.cut()
}

func (l *loading) writeRecords() error {
	for _, name := range slices.Sorted(maps.Keys(l.content.Records)) {
		value := l.content.Records[name]
		l.now.sum += hashRecord(name, value)
		if err := l.set(appendRecordKey(l.keyBuf[:0], name), value); err != nil {
			return err
		}
	}
	return l.rows.cut()
}

func (l *loading) writeTimes() error {
	if l.content.Times == nil {
		return nil
	}
	for at, err := range l.content.Times {
		if err != nil {
			return err
		}
		if at.Revision > l.now.revision {
			return fmt.Errorf("the time of revision %d does not belong below revision %d", at.Revision, l.now.revision)
		}
		l.keyBuf = appendTimeKey(l.keyBuf[:0], at.Revision)
		l.valueBuf = binary.BigEndian.AppendUint64(l.valueBuf[:0], uint64(at.Nanoseconds))
		if err := l.set(l.keyBuf, l.valueBuf); err != nil {
			return err
		}
	}
	return l.rows.cut()
}

func (l *loading) writeMarks() error {
	for _, mark := range l.marks {
		l.keyBuf, l.valueBuf = appendMarkKey(l.keyBuf[:0], mark.revision), appendMark(l.valueBuf[:0], mark.usageMark)
		if err := l.set(l.keyBuf, l.valueBuf); err != nil {
			return err
		}
	}
	return l.rows.cut()
}

// writeMeta writes what there is one of, in the order of names.
func (l *loading) writeMeta() error {
	for _, row := range []struct {
		name  string
		value []byte
	}{
		{metaCompaction, appendProgress(nil, &progress{finished: l.now.compacted})},
		{metaFormat, []byte{formatVersion}},
		{metaPosition, appendPosition(nil, &l.now.position)},
		{metaUsage, appendUsage(nil, l.now.index, &l.now.usage)},
	} {
		if err := l.set(appendMetaKey(l.keyBuf[:0], row.name), row.value); err != nil {
			return err
		}
	}
	return l.rows.cut()
}
