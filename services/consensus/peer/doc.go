// Package peer carries what the members of a cluster say to each other, over HTTP on the members' port: raft's messages,
// the files of snapshots, who the members are, and the calls of whatever else is mounted on the same listener. It knows
// raft's messages only as far as it must to queue them, decides nothing about membership, and opens no store.
//
// # Messages
//
// Each member keeps one stream to each other member, for its own messages in that direction: a POST of HTTP/1.1 to
// /raft/stream whose body does not end. Messages travel in frames (package wire), each with a length and a checksum and as
// many messages as had queued while the frame before it was being written: an idle stream adds no delay, and a busy one
// makes few system calls. The answer to the POST begins at once and goes on beside the body. It says whether the stream
// is welcome, and then carries signs of life.
//
// Send never waits. A peer has two bounded queues: appends and forwarded proposals in one, which must keep their order
// and may be large, and everything else in the other, which goes first. What finds no room is dropped, and raft is told
// that the peer is unreachable, so that it probes instead of sending more. When a stream breaks, what is queued is
// dropped as well: raft repeats what still matters. Messages that are put into one queue arrive in order, or not at
// all; there is no order between the two queues.
//
// # Broken connections
//
// A stream is broken when one side has no sign of the other for the election timeout, but no less than silenceMin. The
// sender asks for signs (a ping, answered with the same bytes, from which RTT comes); the receiver also gives them by
// itself while a long frame is coming in, so that a slow link does not pass for a dead one. A dial, a handshake and a
// write that hangs end by their limits. Then the next URL of the peer is tried, and after the last one there is a pause
// that grows to backoffMax; a stream from the peer ends the pause, because it shows that the peer is there. Where every
// URL leads to a host on which nothing listens and nothing comes from the peer either, its process has ended, and the
// member is told: if that was its leader, it need not wait for a timeout.
//
// # Who is let in
//
// Every request says which cluster and member it comes from, which member it is for, and which versions of the protocol
// its sender speaks (wire.Greeting). Those of another cluster, for another member, of a removed member, or without a
// common version, and one that is known with other data than it comes with (its incarnation), get a status, a reason that programs can read and a text for people, and both sides log it, though the
// same trouble only every noticeInterval. A member that is told that it was removed hears of it through its Receiver.
// Certificates are checked before all that, where TLS is used.
//
// Only members are served. The ids of all are told to everybody, so that a member must also show the incarnation of its
// data, once the others know it. One that is not known yet is refused, and may come again, unless it shows that it knows
// this member's incarnation, which is in the replicated state (a member that was cut off for a while learns of new ones
// only from the appends that they send it), or another member says that it is one: this member asks them then. Such a
// guest may send messages and is answered, until its stream ends; nothing else is served to it. What is kept about
// strangers does not grow with their number.
//
// A member speaks for itself: what else comes on its stream ends it, and so does what the Receiver says cannot be true.
//
// GET /members and GET /version answer anyone: whoever wants to join is no member yet. Both are etcd's.
//
// # Members that move
//
// A member says with each stream where it is reached. That counts beside where the member list has it, until it is reached
// there (outbound.Link.Bring).
//
// # Snapshots
//
// The MsgSnap that raft emits stays here. The sender makes a checkpoint of its state, or takes one that is there and
// still useful, and offers it; the receiver pulls the files in checked pieces, at a rate that the sender sets, and has
// its member install them; package snapshot has the steps and who waits for whom. A receiver takes one snapshot at a time. A
// newer offer replaces an older one unless it comes from a leader of an earlier term. A part of a snapshot survives
// broken connections and failed transfers for partKeptMax, but no restart of the process. A snapshot for which there is
// no room is refused before its first byte is written: a full disk would stop the member.
//
// # Life
//
// New opens nothing. Run owns all goroutines, except those of the HTTP server, and returns when they have ended and no
// request is being served; Serve runs such a server, or Handler can be served by another. Send, SetPeers and the other
// methods may be called at any time, also before and after Run.
package peer
