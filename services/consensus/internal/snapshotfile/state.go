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
}

// Version is one version of one key.
type Version struct {
	// Sub counts the changes within the revision that KV.ModRevision names, from 0.
	Sub int64
	// Tombstone says that the revision deleted the key; of KV then only Key and ModRevision count.
	Tombstone bool
	KV        *mvccpb.KeyValue
}

func (v Version) validate() error {
	if v.KV.GetModRevision() < 1 || v.Sub < 0 || len(v.KV.GetKey()) == 0 {
		return fmt.Errorf("version of key %q at revision %d.%d is not valid", v.KV.GetKey(), v.KV.GetModRevision(), v.Sub)
	}
	return nil
}
