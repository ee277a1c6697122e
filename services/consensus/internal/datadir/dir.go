package datadir

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// Directories of a member, and what the names of further ones begin with.
const (
	LogName = "log"
	// StateName is that of the state of a member that never got another one's.
	StateName = "state"
	// ReceivedPrefix comes before the index that another member's state was announced with.
	ReceivedPrefix = "state-"
	// CheckpointPrefix comes before the number of a copy of the state that is sent to another member.
	CheckpointPrefix = "checkpoint-"
	// incomingName and replacedName are where programs before this one kept a state that was about to be installed, and the
	// one that it replaced.
	incomingName = "incoming"
	replacedName = "replaced"
	memberName   = "member"
	// RestoringName is where a restore makes a directory for a member, beside its place: it gets that when it is whole.
	RestoringName = "restoring"
)

// Dir is where the data of a member lies.
type Dir struct {
	FS vfs.FS
	// DataDir is the operator's: what the member has is below DataDir/member.
	DataDir string
}

// Path is where something of the member is.
func (d Dir) Path(name string) string { return d.FS.PathJoin(d.DataDir, memberName, name) }

// Remove removes something of the member with all in it.
func (d Dir) Remove(name string) error { return d.FS.RemoveAll(d.Path(name)) }

// RemoveCopies deletes what nothing refers to: copies of the state that a crash left behind, and states that were replaced,
// or received and not accepted. The state is in a directory of the name.
func (d Dir) RemoveCopies(state string) error {
	names, err := d.FS.List(d.Path(""))
	if err != nil {
		return fmt.Errorf("look for old copies of the state: %w", err)
	}
	for _, name := range names {
		isState := name == StateName || strings.HasPrefix(name, ReceivedPrefix)
		if strings.HasPrefix(name, CheckpointPrefix) || name == incomingName || isState && name != state {
			if err := d.Remove(name); err != nil {
				return fmt.Errorf("remove an old copy of the state: %w", err)
			}
		}
	}
	return nil
}

// narrow takes from other users what they may do with what is there already. The data directory itself is the
// operator's, who may have reasons for what others may see of it: that is only told, as by etcd. A member starts either way.
func (d Dir) narrow(log *slog.Logger) {
	if d.FS != owneronly.FS {
		return // it has no owners
	}
	if info, err := d.FS.Stat(d.DataDir); err == nil && owneronly.Wider(info) {
		log.Warn("other users may enter the data directory: chmod 700 keeps them out",
			"data-dir", d.DataDir, "mode", info.Mode().String())
	}
	dir := d.FS.PathJoin(d.DataDir, memberName)
	count, err := owneronly.Narrow(dir)
	if err != nil {
		log.Warn("other users may read what the store holds: make the directory and all in it this process's user's own",
			"directory", dir, "error", err)
	}
	if count > 0 {
		log.Warn("other users could read files of the store, and no longer can", "directory", dir, "changed", count)
	}
}
