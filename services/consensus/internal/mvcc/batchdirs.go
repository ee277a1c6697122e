package mvcc

import "context"

// Dir returns the record of a directory, nil if it has none.
func (b *Batch) Dir(path []byte) (*Dir, error) {
	if dir, known := b.dirs.records[string(path)]; known {
		return dir, nil
	}
	if dir := b.knownDirs.records[string(path)]; dir != nil {
		return dir, nil
	}
	b.w.keyBuf = appendDirKey(b.w.keyBuf[:0], path)
	it, err := seeker(b, b.w.keyBuf, true)
	if err != nil {
		return nil, err
	}
	dir, err := seekDir(it, b.w.keyBuf)
	if dir != nil {
		b.knownDirs.set(path, dir)
	}
	return dir, err
}

// knownDirs remembers records of directories as they are committed: a file's directory is looked up with each of its files.
type knownDirs struct {
	records map[string]*Dir
	// bytes is about what they take.
	bytes int
}

const (
	// knownDirsBytesMax bounds what is remembered: a thousand directories of the usual length.
	knownDirsBytesMax = 256 << 10
	// knownDirBytes is about what one takes beside its path.
	knownDirBytes = 160
)

// set remembers a record, which must not change any more, and forgets one that is nil.
func (k *knownDirs) set(path []byte, dir *Dir) {
	_, known := k.records[string(path)]
	switch {
	case dir == nil && known:
		delete(k.records, string(path))
		k.bytes -= knownDirBytes + len(path)
	case dir == nil:
	case known:
		k.records[string(path)] = dir
	default:
		if k.records == nil || k.bytes > knownDirsBytesMax {
			k.records, k.bytes = make(map[string]*Dir), 0
		}
		k.records[string(path)] = dir
		k.bytes += knownDirBytes + len(path)
	}
}

// rememberDirs has the batches to come know of the records that this one has committed.
func rememberDirs(b *Batch) {
	for _, path := range b.dirs.paths {
		b.w.keyBuf = appendDirKey(b.w.keyBuf[:0], []byte(path))
		b.fresh.add(b.w.keyBuf, b.now.revision)
		b.knownDirs.set([]byte(path), b.dirs.records[path])
	}
}

// ScanDirs calls fn with the records of directories in [low, high), in order, until fn wants no more.
func (b *Batch) ScanDirs(low, high []byte, fn func([]byte, *Dir) (bool, error)) error {
	base, err := seekBase(b)
	if err != nil {
		return err
	}
	m := dirMerge{o: &b.dirs, changed: b.dirs.within(low, high), fn: fn}
	err = scanDirs(context.Background(), base.it, low, high, m.base)
	if err == nil && !m.done {
		err = m.before(nil)
	}
	return err
}

// SetDir writes the record of a directory.
func (b *Batch) SetDir(path []byte, dir Dir) error {
	old, err := b.Dir(path)
	if err != nil {
		return err
	}
	var before int64
	if old != nil {
		before = old.Expiration
	}
	moveExpiryOf(b, expiryDir, path, before, dir.Expiration)
	b.now.replace(hashDir(path, old), hashDir(path, &dir))
	b.now.usage.live += dirUsage(path, &dir) - dirUsage(path, old)
	b.w.valueBuf = appendDir(b.w.valueBuf[:0], &dir)
	b.w.set(appendDirKey(b.w.keyBuf[:0], path), b.w.valueBuf)
	b.dirs.set(path, &dir)
	return nil
}

// DropDir deletes the record of a directory, if it has one.
func (b *Batch) DropDir(path []byte) error {
	old, err := b.Dir(path)
	if err != nil || old == nil {
		return err
	}
	moveExpiryOf(b, expiryDir, path, old.Expiration, 0)
	b.now.replace(hashDir(path, old), 0)
	b.now.usage.live -= dirUsage(path, old)
	b.w.delete(appendDirKey(b.w.keyBuf[:0], path))
	b.dirs.set(path, nil)
	return nil
}
