package snapshotfile

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
)

const (
	bucketOurs            = "quorate"
	bucketOursDirs        = "quorate_dirs"
	bucketOursExpirations = "quorate_expirations"
	bucketOursTimes       = "quorate_times"

	keyOursFormat = "format"
	// keyOursRevision has the newest revision, keyOursEtcdRevision the one that etcd takes for it, and keyOursAuthRevision that of users
	// and roles: the buckets count as long as the file still has the last two.
	keyOursRevision     = "revision"
	keyOursEtcdRevision = "etcdRevision"
	keyOursAuthRevision = "authRevision"
	keyOursGuest        = "guest"
	keyOursRecord       = "record/"

	// oursFormat is that of the buckets. A program passes over those of another one.
	oursFormat = 1
)

// fillOurs writes what etcd has no place for.
func fillOurs(ctx context.Context, db *bbolt.DB, st *State, g *gathering) error {
	ours := st.Ours
	if ours == nil {
		return nil
	}
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{bucketOurs, bucketOursDirs, bucketOursExpirations, bucketOursTimes} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		p := putter{tx: tx}
		p.put(bucketOurs, keyOursFormat, []byte{oursFormat})
		for key, n := range map[string]uint64{
			keyOursRevision:     uint64(ours.Revision),
			keyOursEtcdRevision: uint64(max(g.newest, st.CompactedRevision)),
			keyOursAuthRevision: st.Auth.GetRevision(),
		} {
			p.put(bucketOurs, key, binary.BigEndian.AppendUint64(nil, n))
		}
		if st.Auth.GetGuest() {
			p.put(bucketOurs, keyOursGuest, []byte{1})
		}
		for _, r := range ours.Records {
			p.put(bucketOurs, keyOursRecord+r.Name, r.Value)
		}
		return p.err
	})
	if err != nil {
		return err
	}
	if err := fillExpirations(ctx, db, g.expirations); err != nil {
		return err
	}
	if err := fillDirs(db, ours); err != nil {
		return err
	}
	return fillTimes(db, ours)
}

func fillExpirations(ctx context.Context, db *bbolt.DB, sorted *externalsort.Sorter) error {
	w := &batcher{db: db, bucket: bucketOursExpirations}
	n := 0
	return w.end(sorted.Each(func(key, value []byte) error {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return w.put(key, value)
	}))
}

func fillDirs(db *bbolt.DB, ours *Ours) error {
	w := &batcher{db: db, bucket: bucketOursDirs}
	if ours.Dirs == nil {
		return nil
	}
	for dir, err := range ours.Dirs {
		if err != nil {
			return w.end(fmt.Errorf("read directories: %w", err))
		}
		value := binary.BigEndian.AppendUint64(nil, uint64(dir.Create))
		value = binary.BigEndian.AppendUint64(value, uint64(dir.Mod))
		if err := w.put(dir.Path, binary.BigEndian.AppendUint64(value, uint64(dir.Expiration))); err != nil {
			return w.end(err)
		}
	}
	return w.end(nil)
}

func fillTimes(db *bbolt.DB, ours *Ours) error {
	w := &batcher{db: db, bucket: bucketOursTimes}
	if ours.Times == nil {
		return nil
	}
	for at, err := range ours.Times {
		if err != nil {
			return w.end(fmt.Errorf("read times: %w", err))
		}
		if err := w.put(binary.BigEndian.AppendUint64(nil, uint64(at.Revision)), binary.BigEndian.AppendUint64(nil, uint64(at.Nanoseconds))); err != nil {
			return w.end(err)
		}
	}
	return w.end(nil)
}

// readOurs reads our buckets, nil if there are none. Whether they count is for the caller to say: etcdRevision and authRevision are what
// the file had when they were written. guest says that requests of v2 without credentials have the role guest.
func readOurs(tx *bbolt.Tx) (ours *Ours, guest bool, etcdRevision int64, authRevision uint64, err error) {
	b := tx.Bucket([]byte(bucketOurs))
	if b == nil {
		return nil, false, 0, 0, nil
	}
	if format := b.Get([]byte(keyOursFormat)); len(format) != 1 || format[0] != oursFormat {
		return nil, false, 0, 0, nil
	}
	number := func(key string) uint64 {
		value := b.Get([]byte(key))
		if len(value) != 8 {
			err = fmt.Errorf("%w: bucket %q, key %q has %d bytes for a number", ErrDamaged, bucketOurs, key, len(value))
			return 0
		}
		return binary.BigEndian.Uint64(value)
	}
	ours = &Ours{Revision: int64(number(keyOursRevision))}
	etcdRevision, authRevision = int64(number(keyOursEtcdRevision)), number(keyOursAuthRevision)
	if err != nil {
		return nil, false, 0, 0, err
	}
	err = b.ForEach(func(k, v []byte) error {
		if name, ok := strings.CutPrefix(string(k), keyOursRecord); ok {
			ours.Records = append(ours.Records, Record{Name: name, Value: append([]byte{}, v...)})
		}
		return nil
	})
	return ours, b.Get([]byte(keyOursGuest)) != nil, etcdRevision, authRevision, err
}
