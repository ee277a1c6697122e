package mvcc

import "context"

// Dir returns the record of a directory, nil if it has none.
func (b *Batch) Dir(path []byte) (*Dir, error) {
	if dir, known := b.dirs.records[string(path)]; known {
		return dir, nil
	}
	base, err := seekBase(b)
	if err != nil {
		return nil, err
	}
	return seekDir(base.it, path)
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
