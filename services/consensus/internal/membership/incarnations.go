package membership

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A founder's id comes from its URLs, so one that lost its data comes back under the id that the others know. It forgot
// what it voted for and acknowledged, and would help to elect a leader that lacks entries of which a client was told. So each
// data directory has an incarnation, drawn when it is made. A member publishes it with its name, sends it with every
// request to another member, and is refused by those that know another one of it (package peer).
//
// The published incarnations are part of the state. Until the log is replayed the state may be older than they are, so they are
// noted in the log store too, when they are applied.

// Notes are facts that a member keeps beside its log, durable once they are set.
type Notes interface {
	// Blob returns a note, false if there is none.
	Blob(name string) ([]byte, bool, error)
	SetBlob(name string, data []byte) error
}

// Names of the log store's facts about incarnations: the member's own, and those of all as far as they are known.
const (
	blobIncarnation  = "incarnation"
	blobIncarnations = "incarnations"
)

// OwnIncarnation returns the directory's incarnation, and draws it the first time.
func OwnIncarnation(log Notes) (uint64, error) {
	stored, _, err := log.Blob(blobIncarnation)
	if err != nil {
		return 0, fmt.Errorf("read the member's incarnation: %w", err)
	}
	if len(stored) == 8 {
		return binary.BigEndian.Uint64(stored), nil
	}
	drawn := rand.Uint64()
	for drawn == 0 {
		drawn = rand.Uint64()
	}
	if err := log.SetBlob(blobIncarnation, binary.BigEndian.AppendUint64(nil, drawn)); err != nil {
		return 0, fmt.Errorf("write the member's incarnation: %w", err)
	}
	return drawn, nil
}

// incarnations are those that were published, by member.
type incarnations struct {
	log   Notes
	known map[uint64]uint64
}

func loadIncarnations(log Notes) (*incarnations, error) {
	stored, _, err := log.Blob(blobIncarnations)
	if err != nil {
		return nil, fmt.Errorf("read the members' incarnations: %w", err)
	}
	members := &consensusv1.MembersResponse{}
	if err := proto.Unmarshal(stored, members); err != nil {
		return nil, fmt.Errorf("decode the members' incarnations: %w", err)
	}
	i := &incarnations{log: log, known: map[uint64]uint64{}}
	for _, member := range members.GetMembers() {
		i.known[member.GetId()] = member.GetIncarnation()
	}
	return i, nil
}

// learn notes, durably, those of members that are new.
func (i *incarnations) learn(members []*consensusv1.Member) error {
	news := false
	for _, member := range members {
		if member.GetIncarnation() != 0 && i.known[member.GetId()] != member.GetIncarnation() {
			i.known[member.GetId()] = member.GetIncarnation()
			news = true
		}
	}
	if !news {
		return nil
	}
	note := &consensusv1.MembersResponse{}
	for id, incarnation := range i.known {
		note.Members = append(note.Members, &consensusv1.Member{Id: id, Incarnation: incarnation})
	}
	encoded, err := proto.Marshal(note)
	if err != nil {
		return fmt.Errorf("encode the members' incarnations: %w", err)
	}
	return i.log.SetBlob(blobIncarnations, encoded)
}

// otherIncarnation tells whether two are known and differ. Members of older versions have none.
func otherIncarnation(a, b uint64) bool { return a != 0 && b != 0 && a != b }

// fill completes a member that the state knows from before it published.
func (i *incarnations) fill(member *consensusv1.Member) *consensusv1.Member {
	known := i.known[member.GetId()]
	if member.GetIncarnation() != 0 || known == 0 {
		return member
	}
	filled := proto.CloneOf(member)
	filled.Incarnation = known
	return filled
}
