// Package logstore keeps a member's raft log on disk: entries, hard state, configuration, and the few facts a member
// must never forget (who it is, which cluster it belongs to). It does not interpret entries, does not decide what to
// truncate and makes no snapshots.
//
// # Layout
//
// One Pebble database of its own, with the write-ahead log on. Every value starts with a CRC-32C over key and payload.
//
//	'b' name        a named fact                    (SetBlob)
//	'c'             ConfState and its applied index (SetConfState)
//	'e' index       one entry, index big endian
//	'h'             HardState
//	'i'             member and cluster id           (SetIdentity)
//	't'             index and term of the newest entry that was truncated away
//	'v'             version of this layout
//
// # Durability
//
// One Append is one Pebble batch, and when asked, one fdatasync. Readers (raft's goroutine) see new entries only after
// the write has ended: raft's asynchronous storage writes let raft read an entry from here only once it was told that
// the append is done, and before that it reads its own unstable copy. So the fields that readers use change last,
// under a mutex that is never held across a write; writers take turns on a second mutex that no reader takes.
//
// # What a damaged log looks like, and what is noticed
//
// The newest write-ahead file may end in a record that was being written when power failed: nobody was told that it is
// durable, so it is dropped. A damaged record that *was* durable must not be dropped with all that follows it. Pebble
// tells the two apart only where a later 32 KiB block of the file holds a record which says that the file was synced
// beyond the damage; damage in the last block reads like a torn tail. checkNewestWAL looks at every byte after the
// damage instead, and Close writes such a witness behind the last record. Damage is refused with ErrCorrupt in:
//
//   - a record of the newest write-ahead file, when a later intact record was started after it was synced, or when all of its
//     sectors were written (a write that was cut off leaves blank ones; in a file that is reused that cannot be told),
//   - an older write-ahead file that is still needed, a table, or the manifest (Pebble's checksums),
//   - an entry whose checksum, index or term order is wrong, a hole between entries, or a missing manifest.
//
// ErrMissing reports a log that ends below its own commit index, and CheckApplied one that ends below what the state
// machine has applied.
//
// What is dropped is a warning with its size and the last index that is kept.
//
// Not detectable from here: damage to the one or two last records of a member that was killed, where it looks like a write
// that was cut off (nothing follows that could witness for them), unless the hard state, the state machine or another member knows better; and a directory
// put back from an older copy, which is consistent in itself.
package logstore
