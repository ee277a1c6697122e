package logstore

import "errors"

var (
	// ErrInUse is returned by Open when another process, or another Store in this one, has the directory open.
	ErrInUse = errors.New("raft log directory is in use")
	// ErrNotWritable is returned by Open when the directory cannot be created or written.
	ErrNotWritable = errors.New("raft log directory is not writable")
	// ErrOtherLayout is returned by Open when another version of the program has written the log, in a way that this one does
	// not read.
	ErrOtherLayout = errors.New("raft log is of another version")
	// ErrCorrupt is returned by Open, and by reads, when stored bytes are not what was written.
	ErrCorrupt = errors.New("raft log is corrupt")
	// ErrMissing is returned by Open and CheckApplied when the log ends before an entry that is known to be committed.
	ErrMissing = errors.New("raft log lacks committed entries")
	// ErrFailed is returned by every write once a write has failed: what reached the disk is unknown until the log is
	// opened again. It wraps the first failure.
	ErrFailed = errors.New("raft log write failed")
	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("raft log is closed")
	// ErrGap is returned by Append when its entries do not continue the log, or are not consecutive.
	ErrGap = errors.New("raft log entries are not consecutive")
)

// recoverAdvice ends the message of every error that means lost or damaged data: an operator reads it at night.
const recoverAdvice = "do not delete files to make it start: restore this member from a snapshot, " +
	"or remove it from the cluster and add it again with an empty data directory"
