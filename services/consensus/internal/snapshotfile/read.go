package snapshotfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"unsafe"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

const (
	// residentBytes is about how much of the versions is in memory at a time, for each who walks them.
	residentBytes = 4 << 20
	placeBytes    = 8 + 1 + 8
	tombstoneMark = 't'
)

// Content is what a file says.
type Content struct {
	State
	// Revision is the newest revision, as etcd finds it.
	Revision int64
	// StorageVersion is that of etcd's storage, such as "3.7.0"; etcd has none before 3.6.
	StorageVersion string
	// Outdated says that there is something of ours in the file, from before etcd has changed it: it is left out.
	Outdated bool
	// VersionsFrom yields the versions of a revision and of later ones.
	VersionsFrom func(revision int64) iter.Seq2[Version, error]
	// Sample returns about so many of the versions, from all over the file, and maybe some that were there once.
	Sample func(n int) []Sample
	// File is the database as it is mapped into memory: what is read of it takes memory. The value of a version is at its Place.
	File []byte
}

// Read calls fn with what the file says. Iterators, and what they yield, are valid until fn returns; each may be walked once at a time, but those of
// VersionsFrom, which several goroutines may walk.
func (r *Reader) Read(fn func(*Content) error) error {
	return r.judge(r.view(func(tx *bbolt.Tx) error {
		c := &Content{File: mapped(tx)}
		if err := readMeta(tx, c); err != nil {
			return err
		}
		if err := readAuth(tx, c); err != nil {
			return err
		}
		if err := readSmall(tx, c); err != nil {
			return err
		}
		if err := takeOurs(tx, c); err != nil {
			return err
		}
		versions, expirations := tx.Bucket([]byte(bucketKey)), (*bbolt.Bucket)(nil) // looked up once: that is for one goroutine
		if c.Ours != nil {
			expirations = tx.Bucket([]byte(bucketOursExpirations))
		}
		c.VersionsFrom = func(revision int64) iter.Seq2[Version, error] {
			return func(yield func(Version, error) bool) { r.readVersions(versions, expirations, revision, yield) }
		}
		c.Versions = c.VersionsFrom(0)
		c.Sample = func(n int) []Sample { return sample(tx, n) }
		c.Leases = func(yield func(*consensusv1.Lease, error) bool) { readLeases(tx, yield) }
		return fn(c)
	}))
}

// mapped is the file as bbolt sees it.
func mapped(tx *bbolt.Tx) []byte {
	data := tx.DB().Info().Data
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&data))), tx.Size())
}

func readMeta(tx *bbolt.Tx, c *Content) error {
	meta := tx.Bucket([]byte(bucketMeta))
	for name, to := range map[string]*uint64{keyConsistentIndex: &c.AppliedIndex, keyTerm: &c.AppliedTerm} {
		if value := meta.Get([]byte(name)); len(value) == 8 {
			*to = binary.BigEndian.Uint64(value)
		}
	}
	c.StorageVersion = string(meta.Get([]byte(keyStorageVersion)))
	if b := tx.Bucket([]byte(bucketCluster)); b != nil {
		c.ClusterVersion = string(b.Get([]byte(keyClusterVersion)))
	}
	// A compaction that has begun counts: etcd carries it out when it starts.
	for _, name := range []string{keyFinishedCompact, keyScheduledCompact} {
		if value := meta.Get([]byte(name)); value != nil {
			revision, _, _, err := splitPlace(value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			c.CompactedRevision = max(c.CompactedRevision, revision)
		}
	}
	c.Revision = max(1, c.CompactedRevision)
	if last, _ := tx.Bucket([]byte(bucketKey)).Cursor().Last(); last != nil {
		revision, _, _, err := splitPlace(last)
		if err != nil {
			return err
		}
		c.Revision = max(c.Revision, revision)
	}
	return nil
}

// splitPlace is the inverse of versionKey. Rows of a program that etcd was before it had tombstones' marks have none.
func splitPlace(k []byte) (revision, sub int64, tombstone bool, err error) {
	if len(k) < placeBytes || k[8] != '_' || len(k) > placeBytes+1 || len(k) == placeBytes+1 && k[placeBytes] != tombstoneMark {
		return 0, 0, false, fmt.Errorf("%w: %x is no revision", ErrDamaged, k)
	}
	revision, sub = int64(binary.BigEndian.Uint64(k)), int64(binary.BigEndian.Uint64(k[9:]))
	if revision < 0 || sub < 0 {
		return 0, 0, false, fmt.Errorf("%w: %x is no revision", ErrDamaged, k)
	}
	return revision, sub, len(k) > placeBytes, nil
}

func readAuth(tx *bbolt.Tx, c *Content) error {
	settings := &consensusv1.AuthSettings{}
	if b := tx.Bucket([]byte(bucketAuth)); b != nil {
		enabled := b.Get([]byte(keyAuthEnabled))
		settings.Enabled = len(enabled) == 1 && enabled[0] == 1
		if revision := b.Get([]byte(keyAuthRevision)); len(revision) == 8 {
			settings.Revision = binary.BigEndian.Uint64(revision)
		}
	}
	err := eachMessage(tx, bucketAuthUsers, func(name string, stored *authpb.User) {
		c.Users = append(c.Users, &consensusv1.User{
			Name: name, PasswordHash: stored.GetPassword(), Roles: stored.GetRoles(), NoPassword: stored.GetOptions().GetNoPassword(),
		})
	})
	if err != nil {
		return err
	}
	err = eachMessage(tx, bucketAuthRoles, func(name string, stored *authpb.Role) {
		role := &consensusv1.Role{Name: name}
		for _, p := range stored.GetKeyPermission() {
			role.Permissions = append(role.Permissions, &consensusv1.Permission{
				Type: consensusv1.Permission_Type(p.GetPermType()), Key: p.GetKey(), RangeEnd: p.GetRangeEnd(),
			})
		}
		c.Roles = append(c.Roles, role)
	})
	if settings.GetEnabled() || settings.GetRevision() > 0 || len(c.Users)+len(c.Roles) > 0 {
		c.Auth = settings
	}
	return err
}

func eachMessage[M any, P interface {
	*M
	proto.Message
}](tx *bbolt.Tx, bucket string, fn func(name string, m P),
) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		m := P(new(M))
		if err := proto.Unmarshal(v, m); err != nil {
			return fmt.Errorf("%w: bucket %s, %q: %w", ErrDamaged, bucket, k, err)
		}
		fn(string(k), m)
		return nil
	})
}

// readSmall reads members and alarms, which a restore replaces and drops.
func readSmall(tx *bbolt.Tx, c *Content) error {
	if b := tx.Bucket([]byte(bucketMembers)); b != nil {
		err := b.ForEach(func(k, v []byte) error {
			var m memberJSON
			if err := json.Unmarshal(v, &m); err != nil {
				return fmt.Errorf("%w: member %s: %w", ErrDamaged, k, err)
			}
			c.Members = append(c.Members, &consensusv1.Member{Id: m.ID, Name: m.Name, PeerUrls: m.PeerURLs, ClientUrls: m.ClientURLs, IsLearner: m.IsLearner})
			return nil
		})
		if err != nil {
			return err
		}
	}
	if b := tx.Bucket([]byte(bucketAlarm)); b != nil {
		return b.ForEach(func(k, _ []byte) error {
			alarm := &consensusv1.Alarm{} // the field numbers of AlarmMember
			if err := proto.Unmarshal(k, alarm); err != nil {
				return fmt.Errorf("%w: alarm %x: %w", ErrDamaged, k, err)
			}
			c.Alarms = append(c.Alarms, alarm)
			return nil
		})
	}
	return nil
}

// takeOurs takes what is ours, unless etcd has changed the file since.
func takeOurs(tx *bbolt.Tx, c *Content) error {
	ours, guest, etcdRevision, authRevision, err := readOurs(tx)
	if err != nil || ours == nil {
		return err
	}
	if etcdRevision != c.Revision || ours.Revision < c.Revision {
		c.Outdated = true
		return nil
	}
	if guest && authRevision == c.Auth.GetRevision() && c.Auth != nil {
		c.Auth.Guest = true
	}
	ours.Dirs = func(yield func(Dir, error) bool) {
		eachNumbers(tx, bucketOursDirs, 3, func(k []byte, n [3]int64) bool {
			return yield(Dir{Path: k, Create: n[0], Mod: n[1], Expiration: n[2]}, nil)
		}, func(err error) { yield(Dir{}, err) })
	}
	ours.Times = func(yield func(Time, error) bool) {
		eachNumbers(tx, bucketOursTimes, 1, func(k []byte, n [3]int64) bool {
			if len(k) != 8 {
				yield(Time{}, fmt.Errorf("%w: bucket %s, %x is no revision", ErrDamaged, bucketOursTimes, k))
				return false
			}
			return yield(Time{Revision: int64(binary.BigEndian.Uint64(k)), Nanoseconds: n[0]}, nil)
		}, func(err error) { yield(Time{}, err) })
	}
	c.Ours = ours
	return nil
}

// eachNumbers calls fn with the rows of a bucket whose values are so many numbers, until it returns false, or failed with an error.
func eachNumbers(tx *bbolt.Tx, bucket string, count int, fn func(k []byte, n [3]int64) bool, failed func(error)) {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(v) != 8*count {
			failed(fmt.Errorf("%w: bucket %s, %q has %d bytes", ErrDamaged, bucket, k, len(v)))
			return
		}
		var n [3]int64
		for i := range count {
			n[i] = int64(binary.BigEndian.Uint64(v[8*i:]))
		}
		if !fn(k, n) {
			return
		}
	}
}

// readVersions yields the versions in the order of revisions, from the given one on. The bucket of expirations has the same order.
func (r *Reader) readVersions(versions, withExpiration *bbolt.Bucket, from int64, yield func(Version, error) bool) {
	expirations := expirationCursor{}
	if withExpiration != nil {
		expirations.c = withExpiration.Cursor()
		expirations.key, expirations.value = expirations.c.First()
	}
	kv, seen, begin := &mvccpb.KeyValue{}, 0, r.db.Info().Data
	file := mapped(versions.Tx())
	defer release(file)
	place := func(b []byte) int64 { // bbolt copies small buckets on some processors
		at := int64(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - begin)
		if at < 0 || at > int64(len(file)-len(b)) {
			return 0
		}
		return at
	}
	c := versions.Cursor()
	k, b := c.First()
	if from > 0 {
		k, b = c.Seek(appendRevision(nil, from, 0))
	}
	for ; k != nil; k, b = c.Next() {
		if seen += len(k) + len(b); seen > residentBytes {
			release(file)
			seen = 0
			if err := r.sum.wrong(); err != nil { // what is damaged may have no end
				yield(Version{}, err)
				return
			}
		}
		v, err := readVersion(k, b, kv)
		if err == nil {
			v.Expiration, err = expirations.of(k)
		}
		if value := kv.GetValue(); len(value) > 0 {
			v.Place = place(value)
		}
		if err != nil {
			yield(Version{}, err)
			return
		}
		// A restore that raises the revision leaves a row without a key.
		if len(kv.GetKey()) > 0 && !yield(v, nil) {
			return
		}
	}
}

func readVersion(k, b []byte, kv *mvccpb.KeyValue) (Version, error) {
	revision, sub, tombstone, err := splitPlace(k)
	if err != nil {
		return Version{}, err
	}
	if err := decodeKeyValue(b, kv); err != nil {
		return Version{}, fmt.Errorf("%w: revision %d.%d: %w", ErrDamaged, revision, sub, err)
	}
	if tombstone {
		kv.ModRevision = revision
	}
	if len(kv.GetKey()) > 0 && (kv.GetModRevision() != revision || !tombstone && (kv.GetCreateRevision() < 1 || kv.GetVersion() < 1)) {
		return Version{}, fmt.Errorf("%w: revision %d.%d has version %d of key %q, created at %d and changed at %d", ErrDamaged,
			revision, sub, kv.GetVersion(), kv.GetKey(), kv.GetCreateRevision(), kv.GetModRevision())
	}
	return Version{Sub: sub, Tombstone: tombstone, KV: kv}, nil
}

// expirationCursor goes through the expirations beside the versions.
type expirationCursor struct {
	c          *bbolt.Cursor
	key, value []byte
}

// of returns when a version ends, 0 for never. It is asked in the order of revisions.
func (e *expirationCursor) of(version []byte) (int64, error) {
	for e.key != nil && bytes.Compare(e.key, version) < 0 {
		e.key, e.value = e.c.Next()
	}
	switch {
	case e.key == nil || !bytes.Equal(e.key, version):
		return 0, nil
	case len(e.value) != 8:
		return 0, fmt.Errorf("%w: the expiration of %x has %d bytes", ErrDamaged, version, len(e.value))
	}
	return int64(binary.BigEndian.Uint64(e.value)), nil
}

func readLeases(tx *bbolt.Tx, yield func(*consensusv1.Lease, error) bool) {
	b := tx.Bucket([]byte(bucketLease))
	if b == nil {
		return
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		lease := &consensusv1.Lease{} // leasepb's field numbers
		if err := proto.Unmarshal(v, lease); err != nil {
			yield(nil, fmt.Errorf("%w: lease %x: %w", ErrDamaged, k, err))
			return
		}
		if !yield(lease, nil) {
			return
		}
	}
}

// decodeKeyValue reads a stored mvccpb.KeyValue into kv, which then refers to b. It is what protobuf does, without an allocation for each
// of millions, and quick where a tag is what etcd writes, of one byte.
func decodeKeyValue(b []byte, kv *mvccpb.KeyValue) error {
	kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease = nil, nil, 0, 0, 0, 0
	for len(b) > 0 {
		number, kind, n := protowire.Number(b[0]>>3), protowire.Type(b[0]&7), 1
		if b[0] >= 1<<7 || number == 0 {
			if number, kind, n = protowire.ConsumeTag(b); n < 0 {
				return protowire.ParseError(n)
			}
		}
		b = b[n:]
		if kind != protowire.BytesType && kind != protowire.VarintType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		value, n := uint64(0), 1
		if len(b) > 0 && b[0] < 1<<7 {
			value = uint64(b[0])
		} else if value, n = binary.Uvarint(b); n <= 0 {
			return errors.New("a number ends nowhere")
		}
		b = b[n:]
		if kind == protowire.VarintType {
			setNumber(kv, number, int64(value))
			continue
		}
		if value > uint64(len(b)) {
			return io.ErrUnexpectedEOF
		}
		switch field := b[:value:value]; number {
		case 1:
			kv.Key = field
		case 5:
			kv.Value = field
		}
		b = b[value:]
	}
	return nil
}

func setNumber(kv *mvccpb.KeyValue, field protowire.Number, value int64) {
	switch field {
	case 2:
		kv.CreateRevision = value
	case 3:
		kv.ModRevision = value
	case 4:
		kv.Version = value
	case 6:
		kv.Lease = value
	}
}
