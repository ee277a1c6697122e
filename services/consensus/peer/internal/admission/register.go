// Package admission says who may talk to a member, from what it knows of the others. It is plain state with a function for each
// thing that happens, without lock, clock or network: its owner holds a lock around it.
package admission

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

const (
	// inquiryInterval is how often the members are asked who belongs to the cluster, because of whoever comes in as one of them.
	inquiryInterval = time.Second
	// vouchedMax bounds how many are remembered of those that members know and this one does not.
	vouchedMax = 64
	// strangers is the label of metrics about whoever is no member.
	strangers = "unknown"
)

// Register is what a member knows of the others.
type Register struct {
	members  []*consensusv1.Member // as last set, this member too
	removed  map[uint64]bool
	guests   map[uint64]bool // peers that are not members, as far as this member knows yet
	vouched  map[uint64]bool // those that members know and this one does not
	inquired time.Time       // when the members were last asked for them
}

// NewRegister returns one in which nobody is.
func NewRegister() *Register {
	return &Register{removed: make(map[uint64]bool), guests: make(map[uint64]bool), vouched: make(map[uint64]bool)}
}

// Set says who the members are. Whoever was one before and is none now has been removed.
func (r *Register) Set(members []*consensusv1.Member) {
	wanted := make(map[uint64]bool, len(members))
	for _, m := range members {
		wanted[m.GetId()] = true
		delete(r.removed, m.GetId())
		delete(r.guests, m.GetId())
		delete(r.vouched, m.GetId())
	}
	for _, old := range r.members {
		if !wanted[old.GetId()] {
			r.removed[old.GetId()] = true
		}
	}
	r.members = make([]*consensusv1.Member, len(members))
	for i, m := range members {
		r.members[i] = proto.CloneOf(m)
	}
}

// Remove says who was removed, of those that Set did not see go, and returns them; members are none of them.
func (r *Register) Remove(ids []uint64) (gone []uint64) {
	for _, id := range ids {
		if r.IsMember(id) {
			continue
		}
		r.removed[id] = true
		delete(r.guests, id)
		delete(r.vouched, id)
		gone = append(gone, id)
	}
	return gone
}

// Members are those that were last set. They are not changed.
func (r *Register) Members() []*consensusv1.Member { return r.members }

// IsMember tells whether id is a member's.
func (r *Register) IsMember(id uint64) bool {
	return slices.ContainsFunc(r.members, func(m *consensusv1.Member) bool { return m.GetId() == id })
}

// Incarnation is what is known of a member's data, 0 for nothing.
func (r *Register) Incarnation(id uint64) uint64 {
	for _, m := range r.members {
		if m.GetId() == id {
			return m.GetIncarnation()
		}
	}
	return 0
}

// Unwelcome tells whether a stream that was let in would not be now: its peer was removed, or turns out to have other data than
// it had.
func (r *Register) Unwelcome(id, incarnation uint64) bool {
	return r.removed[id] || wire.OtherData(r.Incarnation(id), incarnation)
}

// Known returns id if it is, or was, a member's, and else 0: what is kept by id must not grow with what strangers call
// themselves.
func (r *Register) Known(id uint64) uint64 {
	if r.IsMember(id) || r.removed[id] || r.vouched[id] {
		return id
	}
	return 0
}

// Label is what metrics say for id.
func (r *Register) Label(id uint64) string {
	if id = r.Known(id); id != 0 {
		return identity.Format(id)
	}
	return strangers
}

// Self is the member that is talked to.
type Self struct{ Cluster, Member, Incarnation uint64 }

// Who says who may make a request.
type Who int

const (
	// MembersOnly lets in those that are known as members.
	MembersOnly Who = iota
	// GuestsToo lets in those, too, of whom this member has not heard, and who are members all the same. A member that was
	// cut off learns of members that were added meanwhile only from the appends that they send it.
	GuestsToo
)

// Admit refuses whoever this member does not talk to. ask says that the other members may know better, and should be asked.
func (r *Register) Admit(g wire.Greeting, self Self, who Who) (refusal *wire.Refusal, ask bool) {
	if refusal := g.Check(self.Cluster, self.Member, r.removed[g.From], r.Incarnation(g.From)); refusal != nil {
		return refusal, false
	}
	if r.IsMember(g.From) || who == GuestsToo && (g.Proven(self.Incarnation) || r.vouched[g.From]) {
		return nil, false
	}
	refusal = wire.Refuse(wire.RefusedStranger, "member %x is no member of the cluster, as far as member %x knows: it may just have been added", g.From, self.Member)
	return refusal, who == GuestsToo
}

// Ask tells whether the members may be asked now who belongs to the cluster, and takes it that they are.
func (r *Register) Ask(now time.Time) bool {
	if now.Sub(r.inquired) < inquiryInterval {
		return false
	}
	r.inquired = now
	return true
}

// Vouch remembers who belongs to the cluster, of those that this member has not heard of.
func (r *Register) Vouch(listed []*consensusv1.Member) {
	for _, m := range listed {
		if len(r.vouched) < vouchedMax && !r.IsMember(m.GetId()) && !r.removed[m.GetId()] {
			r.vouched[m.GetId()] = true
		}
	}
}

// Receive makes a guest of a peer that was let in, until it is a member, or dismissed. Whoever was removed since is none.
func (r *Register) Receive(id uint64) bool {
	if r.IsMember(id) || r.removed[id] {
		return false
	}
	r.guests[id] = true
	return true
}

// IsGuest tells whether id is a guest's.
func (r *Register) IsGuest(id uint64) bool { return r.guests[id] }

// Dismiss says that the stream of a peer has ended; it returns whether that was a guest.
func (r *Register) Dismiss(id uint64) bool {
	if !r.guests[id] {
		return false
	}
	delete(r.guests, id)
	delete(r.vouched, id) // when it comes again, it is asked about again
	return true
}
