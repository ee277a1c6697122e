// Package snapshot sends snapshots of the state to other members, and takes those that they offer.
//
// Raft asks for a snapshot to be sent with a MsgSnap. That message does not travel; the files of a checkpoint do, pulled
// by the receiver, and the sender's raft waits for the outcome:
//
//	sender                                   receiver
//	raft: MsgSnap
//	checkpoint, or one that is there
//	offer, on the stream of messages   ──►   considers it
//	manifest                           ◄──   GET  /snapshot/ID
//	piece, paced, with its checksum    ◄──   GET  /snapshot/ID/FILE, Range     until all are written and synced
//	                                         Receiver.InstallSnapshot
//	ReportSnapshot                     ◄──   POST /snapshot/ID/result
//
// The receiver pulls because it knows what it has: after a broken connection it asks for the next piece, after a failed
// transfer of the same checkpoint for what is missing. Either side may vanish: the sender gives up a receiver that is
// silent for transferIdleMax, the receiver a sender that does not answer attemptsMax requests.
//
// What a snapshot consists of is its Source's business, and what becomes of one the Member's: this package moves files.
package snapshot
