// Package snapshotfile writes a member's state as a snapshot in etcd's file format: a bbolt database with etcd's
// buckets, and behind it the SHA-256 of it all. etcd's own tools read, check and restore such a file. It does not know
// where the state comes from, and reads no snapshots.
//
// The file has these buckets, the names and encodings being those of etcd 3.7:
//
//	key              revision 8 bytes, '_', sub-revision 8 bytes, 't' if a tombstone -> mvccpb.KeyValue
//	meta             consistent_index, term, confState, finishedCompactRev, scheduledCompactRev, storageVersion
//	lease            id 8 bytes -> leasepb.Lease
//	members          id in hex -> JSON
//	members_removed  id in hex -> "removed"
//	cluster          clusterVersion
//	alarm            etcdserverpb.AlarmMember -> nothing
//	auth, authUsers, authRoles
//
// A state comes ordered by key, as it is stored, but the file is ordered by revision. Inserting in another order than the
// file's would touch its pages at random, so the versions are sorted first, through runs on disk: memory stays bounded
// whatever the state's size, and all files are written from front to back.
package snapshotfile
