package replication

import (
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
)

// inbox is how the loops send to each other: raft bounds what is in it.
type inbox = *mailbox.Mailbox[*raftpb.Message]

func newInbox() inbox { return mailbox.New[*raftpb.Message]() }

// reached is progress, as the loops tell it.
type reached struct{ appended, passedOn, applied atomic.Uint64 }

func (r *reached) progress() progress {
	return progress{r.appended.Load(), r.passedOn.Load(), r.applied.Load()}
}

// answerer brings what raft attached to an append or to entries that are applied, once that is done, to raft and to other
// members.
type answerer struct {
	self      uint64
	toRaft    inbox
	transport Transport
}

func (a *answerer) deliver(responses []*raftpb.Message) {
	var own, peers []*raftpb.Message
	for _, m := range responses {
		if m.GetTo() == a.self {
			own = append(own, m)
		} else {
			peers = append(peers, m)
		}
	}
	a.toRaft.Put(own...)
	if len(peers) > 0 {
		a.transport.Send(peers)
	}
}
