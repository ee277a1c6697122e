package history

import "fmt"

// Event is one change of one key.
type Event struct {
	Delete bool
	// Entry is the key's new state; of a deletion only Key and Mod.
	Entry
	// Prev is the state before, nil if there was none.
	Prev *Entry
}

// Equal compares two events with the states before.
func (e Event) Equal(o Event) bool {
	if e.Delete != o.Delete || e.Entry != o.Entry || (e.Prev == nil) != (o.Prev == nil) {
		return false
	}
	return e.Prev == nil || *e.Prev == *o.Prev
}

// String tells the event in short.
func (e Event) String() string {
	prev := "nothing"
	if e.Prev != nil {
		prev = fmt.Sprintf("%s@%d", e.Prev.Value, e.Prev.Mod)
	}
	if e.Delete {
		return fmt.Sprintf("delete %s@%d (was %s)", e.Key, e.Mod, prev)
	}
	return fmt.Sprintf("put %s=%s@%d created %d version %d lease %x (was %s)", e.Key, e.Value, e.Mod, e.Create, e.Version, e.Lease, prev)
}

// Revision is all that changed at once.
type Revision struct {
	Number int64
	Events []Event
}

// Stored is all revisions of a store, ordered, as one member tells them in the end.
type Stored []Revision

// MemberState is what one member holds in the end.
type MemberState struct {
	Member   string
	Revision int64
	// Hash covers all keys and their histories up to Revision.
	Hash uint32
	// Entries are all keys, ordered.
	Entries []Entry
	Leases  []int64
	// Alarms are those that are raised.
	Alarms []string
	// Members are the ids in its own list of members, ordered.
	Members []uint64
	// Stored is the whole history as this member's watch tells it.
	Stored Stored
}
