package logstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Dump reads what can be read of a log, damaged or not, whose directory no Store has open. It writes nothing.
//
// A log that opens is read through the storage engine, which may fail at an entry; what follows is looked for behind it. Where the engine refuses
// its files, its tables are read without the write-ahead files, and what is whole in those is read here. Of two entries with one index the one of the
// higher term counts then: raft replaces entries by those of newer leaders alone.
type Dump struct {
	// Head is told once, before any entry, Entry of each entry that can be read, by index, with its size on disk, and Damage of what cannot be
	// read: once before Head if that is what has the engine refuse its files, and between the entries where some are missing. An error ends it.
	Head   func(Head) error
	Entry  func(entry *raftpb.Entry, bytes int) error
	Damage func(Damage) error
}

// Head is what a log says beside its entries. What cannot be read is left at zero, and told as damage.
type Head struct {
	Identity
	HardState *raftpb.HardState
	// Truncated is the newest entry that is gone on purpose, of term TruncatedTerm.
	Truncated, TruncatedTerm uint64
}

// Damage is a part of the log that cannot be read. First and Last are the entries that it takes, 0 where it is not known which; without a Last, all
// from First on.
type Damage struct {
	First, Last uint64
	Err         error
}

// Read reads the log in a directory, from an entry up to and with another, 0 for the last.
func (d *Dump) Read(ctx context.Context, dir string, from, to uint64) (err error) {
	r := &dumping{Dump: d, ctx: ctx, dir: dir, to: to, found: map[uint64]salvaged{}}
	if err := r.open(); err != nil {
		return err
	}
	if r.db != nil {
		defer func() { err = errors.Join(err, r.db.Close()) }()
	}
	head, err := r.head()
	if err != nil {
		return err
	}
	r.next, r.term = max(from, head.Truncated+1), 0
	if err := d.Head(head); err != nil {
		return err
	}
	if r.db != nil && len(r.found) == 0 {
		return r.entries(r.tell)
	}
	if r.db != nil { // the tables' entries lie beside those of the write-ahead files
		begin := r.next
		if err := r.entries(r.keep); err != nil {
			return err
		}
		r.next = begin
	}
	return r.tellFound()
}

// dumping is one Read.
type dumping struct {
	*Dump
	ctx context.Context
	dir string
	to  uint64
	// db is nil where the engine refuses its tables, too.
	db *pebble.DB
	// records are what write-ahead files have beside entries, and found the entries.
	records map[string][]byte
	found   map[uint64]salvaged
	// next is the entry that is expected, and term that of the one before.
	next, term uint64
}

// salvaged is an entry whose place among others is not known yet.
type salvaged struct {
	entry *raftpb.Entry
	bytes int
}

// open opens the database, without its write-ahead files if need be, which are read here then.
func (d *dumping) open() error {
	_, torn, err := checkFiles(vfs.Default, d.dir)
	if err == nil {
		d.db, err = openToRead(untouched{vfs.Default, false}, d.dir)
	}
	if err == nil {
		if torn == nil {
			return nil
		}
		return d.Damage(Damage{Err: fmt.Errorf("%s ends at byte %d in a write that was cut off: %d bytes are left out", torn.path, torn.offset, torn.bytes)})
	}
	if err := d.Damage(Damage{Err: err}); err != nil {
		return err
	}
	if d.db, err = openToRead(untouched{vfs.Default, true}, d.dir); err != nil {
		d.db = nil
		if err := d.Damage(Damage{Err: fmt.Errorf("the tables in %s cannot be read: %w", d.dir, err)}); err != nil {
			return err
		}
	}
	return d.readWALs()
}

// openToRead opens the database without writing to it.
func openToRead(fsys vfs.FS, dir string) (db *pebble.DB, err error) {
	e := newEngine(dir, &engineLog{dir: dir, log: discardLog})
	defer e.cache.Unref()
	defer func() {
		if cause := recover(); cause != nil { // see openDatabase
			db, err = nil, fmt.Errorf("%w: the storage engine cannot make sense of its files: %v", ErrCorrupt, cause)
		}
	}()
	o := engineOptions(fsys, nil, e.cache, e.log)
	o.ReadOnly, o.ErrorIfNotExists = true, true
	return pebble.Open(dir, o)
}

// untouched is a file system of a database that is only read. It takes no lock, which its user has, and it may leave write-ahead files out.
type untouched struct {
	vfs.FS
	withoutWALs bool
}

// Lock implements vfs.FS.
func (u untouched) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// List implements vfs.FS.
func (u untouched) List(dir string) ([]string, error) {
	names, err := u.FS.List(dir)
	if u.withoutWALs {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".log") })
	}
	return names, err
}

// Unwrap is for Pebble, which asks the lowest file system for what it can.
func (u untouched) Unwrap() vfs.FS { return u.FS }

// head reads what stands beside entries.
func (d *dumping) head() (Head, error) {
	h := Head{HardState: &raftpb.HardState{}}
	for _, part := range []struct {
		key    []byte
		decode func(payload []byte) error
	}{
		{identityKey, func(p []byte) (err error) {
			h.MemberID, h.ClusterID, err = unpackPair(identityKey, p)
			return err
		}},
		{hardStateKey, func(p []byte) error { return proto.Unmarshal(p, h.HardState) }},
		{truncatedKey, func(p []byte) (err error) {
			h.Truncated, h.TruncatedTerm, err = unpackPair(truncatedKey, p)
			return err
		}},
	} {
		payload, err := d.record(part.key)
		if err == nil && payload != nil {
			err = part.decode(payload)
		}
		if err != nil {
			if err := d.Damage(Damage{Err: fmt.Errorf("record %q: %w", part.key, err)}); err != nil {
				return h, err
			}
		}
	}
	return h, nil
}

// record returns what is under a key, nil if there is nothing.
func (d *dumping) record(key []byte) ([]byte, error) {
	if value, ok := d.records[string(key)]; ok {
		return unseal(key, value)
	}
	if d.db == nil {
		return nil, nil
	}
	value, closer, err := d.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	payload, err := unseal(key, value)
	return slices.Clone(payload), err
}

// entries calls take with the entries of the database, and goes on behind what cannot be read.
func (d *dumping) entries(take func(key, value []byte) error) (err error) {
	o := &pebble.IterOptions{LowerBound: entryKey(d.next), UpperBound: []byte{entryPrefix + 1}}
	if d.to > 0 {
		o.UpperBound = entryKey(d.to + 1)
	}
	it, err := d.db.NewIter(o)
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }() // what it says has been told
	last := d.next - 1
	for valid := it.First(); ; valid = it.Next() {
		for !valid {
			cause := it.Error()
			if cause == nil {
				return nil
			}
			if valid, err = d.passOver(it, last, cause); err != nil {
				return err
			}
			if !valid && it.Error() == nil {
				return nil
			}
		}
		if d.ctx.Err() != nil {
			return context.Cause(d.ctx)
		}
		if index, err := entryIndex(it.Key()); err == nil {
			last = index
		}
		if err := take(it.Key(), it.Value()); err != nil {
			return err
		}
	}
}

// passOver goes to the first entry that can be read behind one, false where there is none, and tells what is passed over.
func (d *dumping) passOver(it *pebble.Iterator, last uint64, cause error) (bool, error) {
	// Steps that double find one that can be read, and halves the first.
	seek := func(index uint64) bool {
		it.First() // else the engine goes on from where it has failed, and finds nothing
		return it.SeekGE(entryKey(index))
	}
	step := uint64(1)
	for ; last+step > last; step *= 2 {
		if seek(last+step) || it.Error() == nil {
			break
		}
	}
	if last+step <= last {
		return false, d.Damage(Damage{First: last + 1, Err: cause})
	}
	low, high := last+step/2, last+step
	for low+1 < high {
		if middle := low + (high-low)/2; seek(middle) || it.Error() == nil {
			high = middle
		} else {
			low = middle
		}
	}
	valid := seek(high)
	damage := Damage{First: last + 1, Err: cause}
	if valid {
		if index, err := entryIndex(it.Key()); err == nil {
			damage.Last = index - 1
			d.next = index
		}
	}
	return valid, d.Damage(damage)
}

// tell tells an entry of the database, and what is missing before it.
func (d *dumping) tell(key, value []byte) error {
	e, err := decodeEntry(key, value)
	if err != nil {
		index, keyErr := entryIndex(key)
		if keyErr != nil {
			return d.Damage(Damage{Err: keyErr})
		}
		d.next = index + 1
		return d.Damage(Damage{First: index, Last: index, Err: err})
	}
	return d.tellEntry(e, len(value))
}

func (d *dumping) tellEntry(e *raftpb.Entry, bytes int) error {
	index := e.GetIndex()
	if index > d.next {
		if err := d.Damage(Damage{First: d.next, Last: index - 1, Err: fmt.Errorf("%w: missing", ErrCorrupt)}); err != nil {
			return err
		}
	}
	d.next = index + 1
	if e.GetTerm() < d.term {
		if err := d.Damage(Damage{First: index, Last: index, Err: fmt.Errorf("%w: it has term %d, after term %d", ErrCorrupt, e.GetTerm(), d.term)}); err != nil {
			return err
		}
	}
	d.term = max(d.term, e.GetTerm())
	return d.Entry(e, bytes)
}

// keep takes an entry for later.
func (d *dumping) keep(key, value []byte) error {
	e, err := decodeEntry(key, value)
	if err != nil {
		return d.Damage(Damage{Err: err})
	}
	if known, ok := d.found[e.GetIndex()]; !ok || known.entry.GetTerm() < e.GetTerm() {
		d.found[e.GetIndex()] = salvaged{e, len(value)}
	}
	return nil
}

// tellFound tells what was kept. What follows an entry of a newer term and is of an older one was replaced.
func (d *dumping) tellFound() error {
	for _, index := range slices.Sorted(maps.Keys(d.found)) {
		one := d.found[index]
		if index < d.next || d.to > 0 && index > d.to || one.entry.GetTerm() < d.term {
			continue
		}
		if err := d.tellEntry(one.entry, one.bytes); err != nil {
			return err
		}
	}
	return nil
}
