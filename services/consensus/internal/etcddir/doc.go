// Package etcddir reads the data directory of an etcd, 3.4 to 3.7, that is not running: the write-ahead log and the `.snap` files, beside the
// database that package snapshotfile reads. What it reads it never writes to; Found makes both anew, for a directory in which an etcd is to begin.
// What entries mean is not its affair, but that it tells those of the v2 API from others.
//
//	member/snap/db                       the database
//	member/snap/TERM-INDEX.snap          the v2 store, and who was a member
//	member/snap/INDEX.snap.db            a database that another member has sent, until it is renamed to db
//	member/wal/SEQUENCE-INDEX.wal        records, from the entry INDEX on
//
// A file of the log is a row of frames, each padded to 8 bytes, and zeros behind the last one:
//
//	length and padding 8 bytes | walpb.Record: type, CRC of all data so far, data
//
// The end of the last file is where etcd wrote when it was stopped. What is half written there was never acknowledged, and is left out; damage
// anywhere else is an error.
package etcddir
