package mvcc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// What the store has in use is what would be left if everything compacted were removed and Pebble had tidied up: each row
// that is current, and of the history and of old versions what is not compacted by revision. It is counted in bytes before
// compression as commands are applied, so that it follows from the log alone: the sizes of files differ between members,
// lag behind what was deleted, and never come down to nothing.
//
// A put adds its version and its line of history, and makes the version before it one that a compaction frees. How much a
// compaction to a revision frees must be known when it is applied, without a walk over all that it hides. So two sums over
// all revisions are kept: of versions that were replaced (a compaction to the very revision that replaced one frees it), and
// of what was spent on lines of history and tombstones (freed only by a compaction beyond their revision). Every few
// revisions both are noted in a mark:
//
//	s [revision 8] 00  ->  replaced, spent, what of spent is of the revision itself
//
// What is freed up to a revision is looked up at the last mark before it, and the short stretch of history from there.
//
// A directory of a program that kept no such sums is counted once, while the store is in use (CountUsage): what is kept
// until then is only what changed, which is added to what is found. The same is done where a compaction leads to before the
// first mark.

// What rows take beside the keys, values and paths in them: about what their encoding has and Pebble keeps of each.
const (
	versionRowBytes    = 28
	historyRowBytes    = 26
	leaseRowBytes      = 32
	attachmentRowBytes = 20
	dirRowBytes        = 28
	expiryRowBytes     = 20
)

// metaUsage is the name of usage's record.
const metaUsage = "usage"

// usage is what the state has in use, in bytes.
type usage struct {
	// live is of what is current. Unless liveKnown, only of what changed since it began to be counted.
	live int64
	// replaced and spent are the sums, from wherever they began to be counted.
	replaced, spent int64
	// freed is how much of both is compacted. It means nothing unless freedKnown.
	freed                 int64
	liveKnown, freedKnown bool
	// marked is what replaced and spent were together at the last mark.
	marked int64
}

func (u *usage) known() bool { return u.liveKnown && u.freedKnown }

func (u *usage) bytes() int64 { return u.live + u.replaced + u.spent - u.freed }

// appendUsage has the log index in front: a program that does not know of it leaves the record as it was, and writes the
// position of another index.
func appendUsage(dst []byte, index uint64, u *usage) []byte {
	flags := byte(0)
	if u.liveKnown {
		flags |= 1
	}
	if u.freedKnown {
		flags |= 2
	}
	dst = append(binary.AppendUvarint(dst, index), flags)
	for _, n := range []int64{u.live, u.replaced, u.spent, u.freed, u.marked} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func decodeUsage(b []byte) (index uint64, u usage, err error) {
	d := decoder{b: b}
	index = d.uint64()
	if len(d.b) > 0 {
		u.liveKnown, u.freedKnown = d.b[0]&1 != 0, d.b[0]&2 != 0
		d.b = d.b[1:]
	}
	u.live, u.replaced, u.spent, u.freed, u.marked = d.int64(), d.int64(), d.int64(), d.int64(), d.int64()
	if d.failed || len(d.b) != 0 {
		return 0, usage{}, fmt.Errorf("usage record %.16x: %w", b, errBadRecord)
	}
	return index, u, nil
}

// usageMark is what had been replaced and spent up to and including a revision.
type usageMark struct {
	replaced, spent int64
	// here is what of spent is of the revision itself, negative if that is not known.
	here int64
}

// freed is what a compaction to the mark's revision has freed, together with all before it.
func (k usageMark) freed() int64 { return k.replaced + k.spent - k.here }

func appendMarkKey(dst []byte, revision int64) []byte {
	dst = append(dst, byte(spaceMark))
	dst = binary.BigEndian.AppendUint64(dst, uint64(revision))
	return append(dst, 0)
}

func splitMarkKey(k []byte) (revision int64, err error) {
	if len(k) != 1+8+1 || k[0] != byte(spaceMark) || k[len(k)-1] != 0 {
		return 0, fmt.Errorf("mark %x: %w", k, errBadKey)
	}
	return int64(binary.BigEndian.Uint64(k[1:])), nil
}

func appendMark(dst []byte, k usageMark) []byte {
	dst = binary.AppendUvarint(dst, uint64(k.replaced))
	dst = binary.AppendUvarint(dst, uint64(k.spent))
	return binary.AppendUvarint(dst, uint64(k.here))
}

func decodeMark(b []byte) (usageMark, error) {
	d := decoder{b: b}
	k := usageMark{replaced: d.int64(), spent: d.int64(), here: d.int64()}
	if d.failed || len(d.b) != 0 {
		return usageMark{}, fmt.Errorf("mark record %.16x: %w", b, errBadRecord)
	}
	return k, nil
}

// versionUsage is what a version takes: that of a tombstone has no value.
func versionUsage(key, value int) int64 { return int64(versionRowBytes + key + value) }

// bytes is what the version takes.
func (r *Row) bytes() int64 { return versionUsage(len(r.Key), len(r.Value)) }

// historyUsage is what a line of history takes: the change of a key, or, encoded, of the tree.
func historyUsage(keyOrTree int) int64 { return int64(historyRowBytes + keyOrTree) }

// changeUsage is what a line of history takes, with the version in it if its revision overwrote that.
func changeUsage(c *change) int64 {
	return historyUsage(len(c.key) + len(c.tree) + len(c.record.Value))
}

// addVersion counts a new version r, that replaces prev (nil if the key did not exist), and its line of history.
func (u *usage) addVersion(prev, r *Row) {
	if prev != nil {
		u.live -= prev.bytes()
		u.replaced += prev.bytes()
	}
	if r.Tombstone {
		u.spent += r.bytes()
	} else {
		u.live += r.bytes()
	}
	u.spent += historyUsage(len(r.Key))
}

// takeVersion counts that a version is written over by another of the same revision, with its line of history.
func (u *usage) takeVersion(r *Row) {
	if r.Tombstone {
		u.spent -= r.bytes()
	} else {
		u.live -= r.bytes()
	}
	u.spent -= historyUsage(len(r.Key))
}

// countedUsage is what CountUsage found.
type countedUsage struct {
	// live is what must be added to what was kept.
	live int64
	// freed is usage.freed where the compacted revision is this one.
	compacted, freed int64
}

// loadUsage reads what is kept of it. Where nothing is, or a program went on from there that does not keep it, it begins
// here: what there is is counted by CountUsage, and in a fresh store there is nothing.
func loadUsage(s *Store, st *state, fresh bool) error {
	b, err := getRow(s, appendMetaKey(nil, metaUsage))
	if err != nil {
		return err
	}
	if b != nil {
		index, u, err := decodeUsage(b)
		switch {
		case err != nil:
			s.log.Error("what is in use will be counted anew", "error", err)
		case index == st.index:
			st.usage = u
			return nil
		}
	}
	first := usageMark{here: -1}
	if fresh {
		st.usage = usage{liveKnown: true, freedKnown: true}
		first.here = 0
	}
	pb := s.db.NewBatch()
	lower, upper := spaceMark.bounds()
	// A batch's verbs fail only when it is committed already.
	_ = pb.DeleteRange(lower, upper, nil)
	_ = pb.Set(appendMarkKey(nil, st.revision), appendMark(nil, first), nil)
	_ = pb.Delete(appendMetaKey(nil, metaUsage), nil)
	return errors.Join(pb.Commit(pebble.NoSync), pb.Close())
}

// Usage returns how many bytes the state has in use, and whether that is known yet: if not, CountUsage must be called.
func (s *Store) Usage() (bytes int64, known bool) {
	u := withCounted(s, s.state.Load())
	return u.bytes(), u.known()
}

// withCounted completes a usage that is not known, if CountUsage has found what it must be added to.
func withCounted(s *Store, st *state) usage {
	u := st.usage
	counted := s.counted.Load()
	if counted == nil || u.known() {
		return u
	}
	if !u.liveKnown {
		u.live, u.liveKnown = u.live+counted.live, true
	}
	if !u.freedKnown && counted.compacted == st.compacted {
		u.freed, u.freedKnown = counted.freed, true
	}
	return u
}

// noteUsage notes, for the command at hand, what has been replaced and spent up to its revision.
func noteUsage(b *Batch) {
	u := &b.now.usage
	b.usageSteps = append(b.usageSteps, usageMark{u.replaced, u.spent, u.spent - b.spentBefore})
}

// storeUsage adds the marks and the record to the batch.
func storeUsage(b *Batch) {
	u := &b.now.usage
	for i, step := range b.usageSteps {
		if step.replaced+step.spent-u.marked >= b.s.opts.usageMarkBytes {
			storeMark(b, b.begun.revision+1+int64(i), step)
			u.marked = step.replaced + step.spent
		}
	}
	b.w.valueBuf = appendUsage(b.w.valueBuf[:0], b.now.index, u)
	b.w.set(appendMetaKey(b.w.keyBuf[:0], metaUsage), b.w.valueBuf)
}

func storeMark(b *Batch, revision int64, k usageMark) {
	b.w.valueBuf = appendMark(b.w.valueBuf[:0], k)
	b.w.set(appendMarkKey(b.w.keyBuf[:0], revision), b.w.valueBuf)
}

// freeUsage counts that everything up to a revision is compacted.
func freeUsage(b *Batch, revision int64) error {
	k, known, err := markAt(b, revision)
	if errors.Is(err, errBadRecord) || errors.Is(err, errBadKey) {
		// The sums are a member's own: they decide nothing that others must decide alike, and can be counted anew.
		b.s.log.Error("the sums of what is in use are damaged, they will be counted anew", "revision", revision, "error", err)
		known, err = false, nil
	}
	if err != nil {
		return err
	}
	b.now.usage.freedKnown = known
	if known {
		b.now.usage.freed = k.freed()
		// The history up to here goes: the next compaction counts on from it.
		storeMark(b, revision, k)
	}
	return nil
}

// markAt returns what a mark at a revision says or would say.
func markAt(b *Batch, revision int64) (k usageMark, known bool, err error) {
	if i := revision - b.begun.revision; i > 0 {
		return b.usageSteps[i-1], true, nil
	}
	base, err := seekBase(b)
	if err != nil {
		return usageMark{}, false, err
	}
	at, k, known, err := base.lastMark(revision)
	if err != nil || !known || at == revision {
		return k, known && k.here >= 0, err
	}
	var last int64
	err = base.changes(at+1, revision, func(revision, _ int64, c *change) error {
		if revision != last {
			last, k.here = revision, 0
		}
		replaced, spent, err := base.weigh(c)
		k.replaced += replaced
		k.spent += spent
		k.here += spent
		return err
	})
	return k, err == nil, err
}

// lastMark returns the last mark up to a revision.
func (v *View) lastMark(revision int64) (at int64, k usageMark, found bool, err error) {
	lower, upper := spaceMark.bounds()
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return 0, usageMark{}, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.SeekLT(appendMarkKey(nil, revision+1)) {
		return 0, usageMark{}, false, it.Error()
	}
	if at, err = splitMarkKey(it.Key()); err != nil {
		return 0, usageMark{}, false, err
	}
	value, err := it.ValueAndErr()
	if err == nil {
		k, err = decodeMark(value)
	}
	return at, k, err == nil, err
}

// weigh returns what a change has replaced and spent.
func (v *View) weigh(c *change) (replaced, spent int64, err error) {
	spent = changeUsage(c)
	if c.tree != nil || c.overwritten {
		return 0, spent, nil // what was before an overwritten version is in the line of the last
	}
	if c.tombstone {
		spent += versionUsage(len(c.key), 0)
	}
	if c.previous == 0 {
		return 0, spent, nil
	}
	var r Row
	live, err := v.Get(c.key, c.previous, &r)
	if err == nil && (!live || r.Revision != c.previous) {
		err = fmt.Errorf("version %d of %q is gone before it is compacted: %w", c.previous, c.key, errBadRecord)
	}
	return r.bytes(), spent, err
}

// dirUsage is what the record of a directory takes, 0 for nil.
func dirUsage(path []byte, d *Dir) int64 {
	if d == nil {
		return 0
	}
	return dirRowBytes + int64(len(path))
}
