package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/raft/v3"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
)

// disputeMax is how long members that differ wait for those that are away to decide between them: longer than a
// restart takes.
const disputeMax = 30 * time.Second

// judge says what follows from comparisons, one after the other.
type judge struct {
	self uint64
	// disputed is since when there is a difference without a majority, zero if there is none.
	disputed time.Time
	// told is what was said last about a difference.
	told string
}

// comparison is what one look at the members has shown.
type comparison struct {
	now    time.Time
	voters []uint64
	// digests are those of this member and of the others that answered, by id.
	digests map[uint64][]*consensusv1.Digest
	leader  uint64
	// trusted says whether this member may answer from its state, condemned whether it has found out itself that it may not.
	trusted, condemned bool
	// corrupt are the members in whose names the CORRUPT alarm is raised.
	corrupt []uint64
}

// verdict is what follows from a comparison.
type verdict struct {
	// agreed is the newest log index at which a majority has the digest of this member, 0 if there is none.
	agreed uint64
	// compared says whether this member could be compared with a majority.
	compared bool
	// condemned says why this member is not to be believed, empty where nothing new was found.
	condemned string
	// odd are those in whose names the CORRUPT alarm must be raised.
	odd []uint64
	// notices are for the log.
	notices []notice
}

// notice is a difference that nobody was told of yet.
type notice struct {
	text  string
	index uint64
}

// step judges a comparison. Each member judges itself; of the others, the leader names those that do not.
func (j *judge) step(c comparison) verdict {
	differences := compareDigests(c.voters, c.digests)
	v := verdict{agreed: agreedIndex(c.voters, j.self, c.digests)}
	v.compared = v.agreed > 0 || len(differences) > 0
	var odd []uint64
	for _, d := range differences {
		found := d.odd(raft.None)
		if slices.Contains(found, j.self) {
			if !c.condemned {
				v.condemned = j.tell(&v, d, "it differs from a majority")
			}
			return v
		}
		if slices.ContainsFunc(found, func(id uint64) bool { return !slices.Contains(c.corrupt, id) }) {
			j.tell(&v, d, "some differ from a majority")
		}
		odd = append(odd, found...)
	}
	dispute := disputeOf(differences, odd, c.corrupt)
	if dispute == nil {
		j.disputed = time.Time{}
	} else {
		j.tell(&v, *dispute, "members differ, and there is no majority to decide between them")
		if j.disputed.IsZero() {
			j.disputed = c.now
		}
		if dispute.complete(c.voters) || c.now.Sub(j.disputed) >= disputeMax {
			odd = append(odd, dispute.odd(c.leader)...)
		}
	}
	if c.leader == j.self && c.trusted {
		v.odd = odd
	}
	return v
}

// disputeOf returns the newest difference without a majority between members that are believed so far.
func disputeOf(differences []difference, odd, corrupt []uint64) *difference {
	believed := func(id uint64) bool { return !slices.Contains(odd, id) && !slices.Contains(corrupt, id) }
	for i := range differences {
		d := &differences[i]
		sides := 0
		for _, side := range d.sides {
			if slices.ContainsFunc(side, believed) {
				sides++
			}
		}
		if d.truth == nil && sides > 1 {
			return d
		}
	}
	return nil
}

// tell has a difference logged, unless the last one logged was between the same members, and returns it as text.
func (j *judge) tell(v *verdict, d difference, what string) string {
	var sides []string
	for _, side := range d.sides {
		var ids []string
		for _, id := range side {
			ids = append(ids, identity.Format(id))
		}
		sides = append(sides, strings.Join(ids, " and "))
	}
	slices.Sort(sides)
	text := what + ": " + strings.Join(sides, " against ")
	if j.told != text {
		j.told = text
		v.notices = append(v.notices, notice{text, d.index})
	}
	return fmt.Sprintf("%s, at log index %d", text, d.index)
}
