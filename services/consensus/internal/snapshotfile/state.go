package snapshotfile

import (
	"fmt"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// StorageVersion is the version of etcd's storage that the file claims, as Maintenance.Snapshot reports it too.
const StorageVersion = "3.7.0"

// State is what goes into a snapshot, all of it as of one applied index.
type State struct {
	// AppliedIndex and AppliedTerm are of the newest log entry in the state.
	AppliedIndex, AppliedTerm uint64
	// ConfState is raft's configuration, nil if unknown.
	ConfState *raftpb.ConfState
	// CompactedRevision is the oldest revision that can be read, 0 if nothing was compacted.
	CompactedRevision int64
	// AnyEtcd leaves out the version of the storage, so that an etcd since 3.5 takes it for its own.
	AnyEtcd bool
	// ClusterVersion, such as "3.7.0", is what etcd's members agreed to speak; empty leaves it out.
	ClusterVersion string
	Members        []*consensusv1.Member
	// RemovedMembers are ids that must never come back.
	RemovedMembers []uint64
	Alarms         []*consensusv1.Alarm
	// Auth is how authentication stands, nil where it was never touched, with users and roles.
	Auth  *consensusv1.AuthSettings
	Users []*consensusv1.User
	Roles []*consensusv1.Role
	// Leases yields every lease, in any order.
	Leases iter.Seq2[*consensusv1.Lease, error]
	// Versions yields every retained version, in any order: all above CompactedRevision, and of each key that was alive
	// there the newest one at or below it. An error ends the build. The yielded KeyValue is not kept.
	Versions iter.Seq2[Version, error]
	// Ours is what etcd's format has no place for, nil if there is none.
	Ours *Ours
	// Progress, unless nil, is told again and again how many bytes of versions were read, and how many of those were written, which begins when all are
	// read. Its goroutine is that of Build.
	Progress func(read, written int64)
}

// Version is one version of one key.
type Version struct {
	// Sub counts the changes within the revision that KV.ModRevision names, from 0.
	Sub int64
	// Tombstone says that the revision deleted the key; of KV then only Key and ModRevision count.
	Tombstone bool
	KV        *mvccpb.KeyValue
	// Expiration is when the key ends as a file of the v2 tree, in nanoseconds since 1970; 0 for never.
	Expiration int64
	// Place is where a value that was read is in the file, 0 for an empty one.
	Place int64
}

// Ours is what Quorate's own tools find in a file beside what etcd's do: it is in buckets that etcd passes over and keeps as they are. So
// they may be older than the rest of the file, which etcd has changed since: then they count no more.
type Ours struct {
	// Revision is the newest revision, also where nothing is left in the file that it has changed.
	Revision int64
	// Records are named values of the state that belong to no bucket of etcd's. They are few.
	Records []Record
	// Dirs yields the directories of the v2 tree, ordered by path, and Times when revisions were made, in ascending order.
	Dirs  iter.Seq2[Dir, error]
	Times iter.Seq2[Time, error]
}

// Record is a named value of the state.
type Record struct {
	Name  string
	Value []byte
}

// Dir is a directory of the v2 tree.
type Dir struct {
	Path []byte
	// Create and Mod are the revisions that made and changed it.
	Create, Mod int64
	// Expiration is as a version's.
	Expiration int64
}

// Time says when a revision was made, in nanoseconds since 1970.
type Time struct {
	Revision, Nanoseconds int64
}

func (v Version) validate() error {
	if v.KV.GetModRevision() < 1 || v.Sub < 0 || len(v.KV.GetKey()) == 0 {
		return fmt.Errorf("version of key %q at revision %d.%d is not valid", v.KV.GetKey(), v.KV.GetModRevision(), v.Sub)
	}
	return nil
}
