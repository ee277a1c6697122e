// Package snapshotfile writes a member's state as a snapshot in etcd's file format, and reads such files, of etcd since 3.4 too: a bbolt
// database with etcd's buckets, and behind it the SHA-256 of it all. etcd's own tools read, check and restore what is written here. It does
// not know where the state comes from, or what becomes of it.
//
// The file has these buckets, the names and encodings being those of etcd 3.7, but for the last four, which are ours (ours.go):
//
//	key              revision 8 bytes, '_', sub-revision 8 bytes, 't' if a tombstone -> mvccpb.KeyValue
//	meta             consistent_index, term, confState, finishedCompactRev, scheduledCompactRev, storageVersion
//	lease            id 8 bytes -> leasepb.Lease
//	members          id in hex -> JSON
//	members_removed  id in hex -> "removed"
//	cluster          clusterVersion
//	alarm            etcdserverpb.AlarmMember -> nothing
//	auth, authUsers, authRoles
//	quorate              format, revision, etcdRevision, authRevision, guest, record/NAME
//	quorate_dirs         path -> revisions of creation and change, expiration: 8 bytes each
//	quorate_expirations  a key of the bucket key -> expiration 8 bytes
//	quorate_times        revision 8 bytes -> time 8 bytes
//
// A state comes ordered by key, as it is stored, but the file is ordered by revision. Inserting in another order than the
// file's would touch its pages at random, so the versions are sorted first, through runs on disk: memory stays bounded
// whatever the state's size, and all files are written from front to back.
package snapshotfile
