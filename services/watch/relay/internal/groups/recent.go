package groups

import "github.com/quoratedb/quorate/pkg/delivery"

// recent is a delivery of late, kept for watches that have just fallen behind.
type recent struct {
	group           *group // nil when it is of no use any more
	batch           *delivery.Batch
	before, through int64 // the group was told everything up to before, and with this up to through
}

// recents are those of all groups, oldest first, bounded by what they weigh together.
type recents struct {
	bytesMax int
	bytes    int
	queue    []*recent
}

// add appends the newest delivery of a group.
func (r *recents) add(g *group, made *recent) {
	g.recent = append(g.recent, made)
	r.queue = append(r.queue, made)
	r.bytes += weight(made.batch)
	for r.bytes > r.bytesMax {
		oldest := r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
		r.bytes -= weight(oldest.batch)
		if g := oldest.group; g != nil {
			g.recent[0] = nil
			g.recent = g.recent[1:]
		}
	}
}

// forget gives up what is kept of a group, because what it will be told next does not follow.
func (r *recents) forget(g *group) {
	for _, kept := range g.recent {
		kept.group = nil
	}
	g.recent = nil
}

// since returns the recent deliveries of a group that a watch at a revision needs to be where the group is, and false if
// they do not go back far enough.
func (g *group) since(next int64) ([]*recent, bool) {
	if len(g.recent) == 0 || next <= g.recent[0].before {
		return nil, false
	}
	kept := g.recent
	for len(kept) > 0 && kept[0].through < next {
		kept = kept[1:]
	}
	return kept, true
}

// entryBytes is what a queued delivery takes beside its events.
const entryBytes = 128

func weight(b *delivery.Batch) int { return entryBytes + len(b.Encoded()) }
