package consensus

import (
	"encoding/binary"
	"fmt"

	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
)

// blobInstalling names the log store's note about the snapshot whose installation has begun: its index, or nothing.
const blobInstalling = "installing"

// noteInstall notes, durably, that the installation of a snapshot begins.
func noteInstall(log *logstore.Store, index uint64) error {
	return log.SetBlob(blobInstalling, binary.BigEndian.AppendUint64(nil, index))
}

// forgetInstall takes the note back.
func forgetInstall(log *logstore.Store) error { return log.SetBlob(blobInstalling, nil) }

// notedInstall returns the note.
func notedInstall(log *logstore.Store) (index uint64, begun bool, err error) {
	note, _, err := log.Blob(blobInstalling)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("read the note about an installation: %w", err)
	case len(note) == 0:
		return 0, false, nil
	case len(note) != 8:
		return 0, false, fmt.Errorf("the note about an installation is damaged: %x", note)
	}
	return binary.BigEndian.Uint64(note), true, nil
}
