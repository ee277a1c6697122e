package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// Names of the log store's notes about where the state is.
const (
	// blobState is the directory that holds the state, StateName if there is no such note.
	blobState = "state"
	// blobInstalling is the index of the snapshot whose installation has begun, or nothing. Programs before this one wrote
	// it: they put the directory of a new state in the place of the old one's, and let the log begin behind it in a second
	// step.
	blobInstalling = "installing"
)

// NoteState names the directory that holds the state from now on.
func NoteState(dir string) logstore.Blob { return logstore.Blob{Name: blobState, Data: []byte(dir)} }

// findState returns the name of the directory that holds the state, which is there then.
func (d Dir) findState(log *logstore.Store) (string, error) {
	note, noted, err := log.Blob(blobState)
	if err != nil {
		return "", fmt.Errorf("read where the state is: %w", err)
	}
	if noted {
		if _, err := d.FS.Stat(d.Path(string(note))); errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%w: the log goes on from the state in %s, which is missing: put that directory back, or restore the member from a snapshot or let it join anew",
				ErrForeignData, d.Path(string(note)))
		}
		return string(note), nil
	}
	if err := d.recoverDirs(); err != nil {
		return "", fmt.Errorf("tidy up after an installation: %w", err)
	}
	if err := durabledir.Make(d.FS, d.Path(StateName)); err != nil {
		return "", fmt.Errorf("create the data directory: %w", err)
	}
	return StateName, nil
}

// recoverDirs finishes or takes back the renames of an installation by an earlier program that a crash cut short.
func (d Dir) recoverDirs() error {
	_, err := d.FS.Stat(d.Path(StateName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, replaced := d.FS.Stat(d.Path(replacedName)); replaced == nil {
			return durabledir.Replace(d.FS, d.Path(replacedName), d.Path(StateName))
		}
		return nil
	}
	if err != nil {
		return err
	}
	return d.Remove(replacedName)
}

// recoverInstall finishes an installation by an earlier program whose state is in place and whose log is not, and forgets
// one whose state is not.
func (o *opening) recoverInstall() error {
	index, begun, err := notedInstall(o.data.Log)
	if err != nil || !begun {
		return err
	}
	if applied, term := o.data.State.Applied(); applied == index {
		behind, err := endsBehind(o.data.Log, index, term)
		if err != nil {
			return err
		}
		if !behind {
			_, confState, err := membership.Read(o.data.State)
			if err := errors.Join(err, o.data.Log.Reset(index, term, confState)); err != nil {
				return fmt.Errorf("finish the installation of a snapshot: %w", err)
			}
		}
	}
	return o.data.Log.SetBlob(blobInstalling, nil)
}

// endsBehind tells whether the log holds what comes after the entry of a term, be it nothing. Where it has another entry in
// its place, or none, its end is what a replaced leader wrote and the cluster never committed.
func endsBehind(log *logstore.Store, index, term uint64) (bool, error) {
	found, err := log.Term(index)
	switch {
	case errors.Is(err, raft.ErrUnavailable):
		return false, nil
	case errors.Is(err, raft.ErrCompacted):
		return true, nil // checkIndexes says whether it continues
	case err != nil:
		return false, err
	}
	return found == term, nil
}

// notedInstall returns the note of an earlier program.
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
