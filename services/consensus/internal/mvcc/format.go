package mvcc

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// ErrNewerFormat is returned by Open when a newer version of the program has written the store, in a way that this one
// does not read.
var ErrNewerFormat = errors.New("the state is of a newer format")

const (
	// formatVersion is that of keys and records. A change that an older program cannot pass over needs a new one.
	//
	//	1  the first
	//	2  in the history, writes of a transaction that it overwrites itself; times of revisions
	//	3  records: users and roles, which a program that does not know them would not obey
	formatVersion = 3
	metaFormat    = "format"
)

const newerAdvice = "start the newer version of the program again, or remove the member from the cluster and add it again with an empty data directory"

// checkFormat refuses what a newer program has written, and says that this one writes from now on. A store without a version
// is one of the first.
//
// The version is flushed with what comes after it: either both survive a crash, or neither.
func checkFormat(s *Store) error {
	key := appendMetaKey(nil, metaFormat)
	b, err := getRow(s, key)
	switch {
	case err != nil:
		return err
	case b != nil && len(b) != 1:
		return fmt.Errorf("format record %.16x: %w", b, errBadRecord)
	case b != nil && b[0] > formatVersion:
		return fmt.Errorf("%w %d, and this program reads up to %d: %s", ErrNewerFormat, b[0], formatVersion, newerAdvice)
	case b != nil && b[0] == formatVersion:
		return nil
	}
	return s.db.Set(key, []byte{formatVersion}, pebble.NoSync)
}
