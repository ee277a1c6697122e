package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// ErrNotForced is returned by Open when Config.ForceNewCluster asks for what this member's data cannot give.
var ErrNotForced = errors.New("no cluster can be made of this member alone")

// blobForced names the log store's note that the member was made the only one, kept until it is started without being
// asked for that.
const blobForced = "forced"

// forcedReadBytes is about how much of the log is read at a time when members are looked for in it.
const forcedReadBytes = 1 << 20

// force makes the member the only one of its cluster, whose id and data stay. All that is in its log counts: an entry
// that was acknowledged may look uncommitted here, because a commit index is stored with the entries after it only, and
// one that was not may take effect late, as any request that ended in a timeout.
//
// What raft will apply then are membership changes at the end of the log: this member becomes a voter if it is none, the
// others leave. They and the commit index go in with one synced batch, so a crash leaves all or nothing, and doing it
// again finds nothing to do. Their term is a new one, so that no other member can have entries like them.
//
// Nobody else is listened to from here on. A member that is alive after all would take this one's entries for its own.
//
// It is done once for as long as the flag stays set: the cluster may have grown again by the next start, and would lose
// the others again.
func (d *Data) force(log *slog.Logger) error {
	if done, _, err := d.Log.Blob(blobForced); err != nil {
		return fmt.Errorf("read whether the cluster was forced: %w", err)
	} else if len(done) > 0 {
		log.Warn("this member was made a cluster of its own at an earlier start, and is not again: start it without --force-new-cluster now")
		return nil
	}
	last, err := d.Log.LastIndex()
	if err != nil {
		return err
	}
	if applied, _ := d.State.Applied(); applied == 0 {
		return fmt.Errorf("%w: it has not got a state from the cluster that it was joining", ErrNotForced)
	}
	version, err := d.MembersAtEnd()
	if err != nil {
		return err
	}
	changes, err := forcingChanges(version, d.MemberID)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		if err := d.commitForced(changes, last, d.MemberID); err != nil {
			return err
		}
	}
	var gone []uint64
	for _, change := range changes {
		if change.GetType() == raftpb.ConfChangeRemoveNode {
			gone = append(gone, change.GetNodeId())
		}
	}
	d.Members.Shun(gone)
	log.Warn("made this member a cluster of its own, as --force-new-cluster asks: remove the other members' data, and add them as new members",
		"cluster", identity.Format(d.ClusterID), "member", identity.Format(d.MemberID), "changes", len(changes), "commit-index", last+uint64(len(changes)))
	return d.Log.SetBlob(blobForced, binary.BigEndian.AppendUint64(nil, last))
}

// forgetForced lets the next forcing be one again.
func (d *Data) forgetForced() error {
	done, _, err := d.Log.Blob(blobForced)
	if err != nil || len(done) == 0 {
		return err
	}
	return d.Log.SetBlob(blobForced, nil)
}

// MembersAtEnd returns the members as they are once all of the log is applied. The state must be as it was opened.
func (d *Data) MembersAtEnd() (*consensusv1.MembersResponse, error) {
	last, err := d.Log.LastIndex()
	if err != nil {
		return nil, err
	}
	version := d.Members.Newest()
	applied, _ := d.State.Applied()
	for next := applied + 1; next <= last; {
		entries, err := d.Log.Entries(next, last+1, forcedReadBytes)
		if err != nil {
			return nil, fmt.Errorf("look for members in the log: %w", err)
		}
		for _, entry := range entries {
			next = entry.GetIndex() + 1
			if entry.GetType() == raftpb.EntryNormal {
				continue
			}
			change, err := replication.DecodeConfChange(entry)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", entry.GetIndex(), err)
			}
			switch next, err := membership.Change(version, change); {
			case err == nil:
				version = next
			case !membership.IsChangeError(err):
				return nil, fmt.Errorf("entry %d: %w", entry.GetIndex(), err)
			}
		}
	}
	return version, nil
}

// forcingChanges are what leaves self alone: itself first, because raft must never be without a voter.
func forcingChanges(version *consensusv1.MembersResponse, self uint64) ([]*raftpb.ConfChange, error) {
	own := membership.Find(version, self)
	if own == nil {
		return nil, fmt.Errorf("%w: member %s was removed from it, or has not yet got a state in which it belongs to it", ErrNotForced, identity.Format(self))
	}
	var changes []*raftpb.ConfChange
	if own.GetIsLearner() {
		changes = append(changes, &raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(self)})
	}
	for _, member := range version.GetMembers() {
		if member.GetId() != self {
			changes = append(changes, &raftpb.ConfChange{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(member.GetId())})
		}
	}
	return changes, nil
}

// commitForced appends changes behind last and commits all of the log.
func (d *Data) commitForced(changes []*raftpb.ConfChange, last, self uint64) error {
	hardState, _, err := d.Log.InitialState()
	if err != nil {
		return err
	}
	if hardState.GetTerm() == math.MaxUint64 {
		return fmt.Errorf("%w: there is no term above %d", ErrNotForced, hardState.GetTerm())
	}
	term := hardState.GetTerm() + 1
	entries := make([]*raftpb.Entry, 0, len(changes))
	for i, change := range changes {
		encoded, err := proto.Marshal(change)
		if err != nil {
			return fmt.Errorf("encode a membership change: %w", err)
		}
		entries = append(entries, &raftpb.Entry{
			Type: raftpb.EntryConfChange.Enum(), Term: new(term), Index: new(last + 1 + uint64(i)), Data: encoded,
		})
	}
	forced := &raftpb.HardState{Term: new(term), Vote: new(self), Commit: new(last + uint64(len(changes)))}
	if err := d.Log.Append(entries, forced, true); err != nil {
		return fmt.Errorf("force the cluster: %w", err)
	}
	return nil
}
