package tree

import "go.etcd.io/etcd/api/v3/mvccpb"

// File is a key at its newest version. What it refers to is valid until the next call to the store.
type File struct {
	Path, Value []byte
	Create, Mod int64
	// Expiration is when the file ends, in nanoseconds since 1970; 0 for never.
	Expiration int64
}

// Dir is the record of a directory.
type Dir struct {
	Create, Mod int64
	// Expiration is as in File.
	Expiration int64
}

// Reader is a state of the store.
type Reader interface {
	// File returns the key at a path, nil if there is none.
	File(path []byte) (*File, error)
	// IsFile tells whether there is one. It is asked of directories, of the same ones again and again.
	IsFile(path []byte) (bool, error)
	// Dir returns the record of a directory, nil if it has none.
	Dir(path []byte) (*Dir, error)
	// Files calls fn with the keys of [low, high), well-formed or not, in order, until fn wants no more. fn must not
	// call the store.
	Files(low, high []byte, fn func(*File) (more bool, err error)) error
	// Dirs does the same with the records of directories.
	Dirs(low, high []byte, fn func(path []byte, dir *Dir) (more bool, err error)) error
}

// Store is a state that can be changed. All changes of one operation have the same revision.
type Store interface {
	Reader
	// Next is the revision of the changes.
	Next() int64
	// MayPut is asked before an operation writes anything: an error refuses its Put.
	MayPut(path, value []byte) error
	// Put writes a key, and returns the version that it replaces, nil if there was none. A fresh key is created by this
	// revision, even if it existed.
	Put(path, value []byte, expiration int64, fresh bool) (*mvccpb.KeyValue, error)
	// Delete deletes a key that exists, and returns its last version.
	Delete(path []byte) (*mvccpb.KeyValue, error)
	// DeleteAll deletes all keys of [low, high), which may be very many.
	DeleteAll(low, high []byte) error
	// SetDir writes the record of a directory.
	SetDir(path []byte, dir Dir) error
	// DropDir deletes the record of a directory, if it has one.
	DropDir(path []byte) error
}
