package consensus

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// A member refuses what makes the state larger in time: where the state has outgrown its quota, and before a disk is full
// (disk.go). It raises NOSPACE in its own name then, which the log carries to all members: the state machine refuses writes
// that need space, and takes deletions, compactions, revocations and changes of members, which are the way out. As the
// member has raised it by itself it lowers it by itself, once there is room again; what somebody raised by hand stays.

// quotaRoomPercent is how much of the quota may be in use for NOSPACE to be lowered: less than all, or it would come and go
// with every few writes.
const quotaRoomPercent = 90

// roomyLooksMin is after how many looks in a row that found room NOSPACE is lowered: some seconds where nobody writes, so
// that a script that compacts, defragments and then disarms finds the alarm, as with etcd.
const roomyLooksMin = 6

// room is how much larger the state may become.
type room struct {
	// inUse counts against quota, 0 for none.
	inUse, quota int64
	// diskFull says that there is too little left of the disk of the log or of the state.
	diskFull bool
}

// exceeded says that the quota is used up.
func (r room) exceeded() bool { return r.quota > 0 && r.inUse > r.quota }

// refusal says why there is no room for a command (errdefs.ErrNoSpace), nil if there is or the command needs none.
func (r room) refusal(command *consensusv1.Command) error {
	switch {
	case !r.diskFull && !r.exceeded(), !growing(command):
		return nil
	case r.exceeded():
		return fmt.Errorf("the state has %d bytes in use of %d: %w", r.inUse, r.quota, errdefs.ErrNoSpace)
	}
	return fmt.Errorf("a disk is nearly full: %w", errdefs.ErrNoSpace)
}

// growing tells whether a command may make the state larger.
func growing(command *consensusv1.Command) bool {
	switch c := command.GetCommand().(type) {
	case *consensusv1.Command_Put, *consensusv1.Command_LeaseGrant:
		return true
	case *consensusv1.Command_Tree:
		switch c.Tree.GetAction() {
		case consensusv1.TreeAction_TREE_ACTION_DELETE, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE,
			consensusv1.TreeAction_TREE_ACTION_EXPIRE:
			return false
		}
		return true
	case *consensusv1.Command_Txn:
		return growingOps(c.Txn.GetSuccess()) || growingOps(c.Txn.GetFailure())
	}
	return false
}

func growingOps(ops []*consensusv1.Op) bool {
	for _, op := range ops {
		switch o := op.GetOp().(type) {
		case *consensusv1.Op_Put:
			return true
		case *consensusv1.Op_Txn:
			if growingOps(o.Txn.GetSuccess()) || growingOps(o.Txn.GetFailure()) {
				return true
			}
		}
	}
	return false
}

// quota is what a member knows about the room that it has, and raises NOSPACE by.
type quota struct {
	self    uint64
	limit   int64
	marks   DiskMarks
	fs      vfs.FS
	clock   Clock
	gate    *gate.Gate
	members *membership.Members
	replica *replication.Replica
	alarms  *alarms
	log     *slog.Logger

	// pressed has a token when a write was refused: the alarm should follow at once.
	pressed chan struct{}
	// volumes are where the log and the state lie.
	volumes []*volume
	// full says that one of them is.
	full atomic.Bool
	// estimate is what the state seems to have in use by the sizes of its files, for as long as that is not counted.
	estimate atomic.Int64
	// roomy counts the looks in a row that found room.
	roomy atomic.Int64
	// told says that the alarm was up since there was room last: somebody who lowers it now knows that there is none.
	told atomic.Bool
}

func newQuota(cfg Config, gate *gate.Gate, members *membership.Members, replica *replication.Replica, alarms *alarms) *quota {
	return &quota{
		self: cfg.MemberID, limit: cfg.QuotaBytes, marks: cfg.DiskMarks, fs: cfg.FS, clock: cfg.Clock,
		gate: gate, members: members, replica: replica, alarms: alarms, log: cfg.Logger,
		pressed: make(chan struct{}, 1), volumes: newVolumes(cfg),
	}
}

// room is how much larger the state may become.
func (s *quota) room() room {
	return room{inUse: s.quotaInUse(), quota: s.limit, diskFull: s.full.Load()}
}

// quotaInUse is what counts against the quota. While that is still being counted, in a directory of an earlier program, it
// is what that went by: the files less the engine's guess of what is garbage in them.
func (s *quota) quotaInUse() int64 {
	inUse, known := s.gate.State().Usage()
	if !known {
		return s.estimate.Load()
	}
	return inUse
}

// estimateUsage looks at the files where nothing better is known yet.
func (s *quota) estimateUsage() {
	if _, known := s.gate.State().Usage(); !known {
		_, inUse := s.gate.State().Size()
		s.estimate.Store(inUse)
	}
}

// refusalsPause is how often refused writes have the room looked at before its time: once the alarm is raised they tell
// nothing new, and until there is a leader to raise it they may come by the thousand.
const refusalsPause = 100 * time.Millisecond

// watch raises NOSPACE where there is no room, and lowers it where there is again.
func (s *quota) watch(ctx context.Context) error {
	ticker := s.clock.NewTicker(housekeepingInterval)
	defer ticker.Stop()
	refused := false
	for {
		s.estimateUsage()
		s.lookAtVolumes()
		s.settleNoSpace(ctx, refused)
		refused = false
		s.lowerOrphans(ctx)
		looked := time.Now()
		for wait := true; wait; {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C():
				wait = false
			case <-s.pressed:
				refused = true
				wait = time.Since(looked) < refusalsPause // the ticker comes soon
			}
		}
	}
}

// settleNoSpace brings the alarm in line with the room that there is. It is tried again at the next look if it fails. An alarm about
// the quota that somebody has lowered comes back with the next write that was refused, as with etcd.
func (s *quota) settleNoSpace(ctx context.Context, refused bool) {
	alarm := s.gate.State().Alarm(s.self, consensusv1.Alarm_TYPE_NOSPACE)
	_, known := s.gate.State().Usage()
	now := s.room()
	// Divided first: a quota may be as large as numbers are.
	roomy := !now.diskFull && known && (now.quota <= 0 || now.inUse <= now.quota/100*quotaRoomPercent)
	if roomy {
		s.roomy.Add(1)
	} else {
		s.roomy.Store(0)
	}
	s.told.Store(now.exceeded() && (s.told.Load() || alarm != nil))
	switch {
	case alarm == nil && now.exceeded() && s.told.Load() && !refused:
	case alarm == nil && now.exceeded():
		s.log.Warn("the state has outgrown its quota, writes are refused until some of it is deleted and compacted", "in-use", now.inUse, "quota", now.quota)
		s.alarms.Raise(ctx, s.self, consensusv1.Alarm_TYPE_NOSPACE)
		s.told.Store(s.gate.State().Raised(s.self, consensusv1.Alarm_TYPE_NOSPACE))
	case alarm == nil && now.diskFull:
		s.alarms.Raise(ctx, s.self, consensusv1.Alarm_TYPE_NOSPACE)
	case alarm.GetAutomatic() && roomy && s.roomy.Load() >= roomyLooksMin:
		s.alarms.lower(ctx, alarm, "there is room again")
	}
}

// lowerOrphans lowers what members raised by themselves that are gone: to replace one whose disk is full is a way out too.
// The leader does it for all.
func (s *quota) lowerOrphans(ctx context.Context) {
	if !s.replica.Leads() {
		return
	}
	for _, alarm := range s.gate.State().Alarms() {
		if alarm.GetAutomatic() && s.members.Find(alarm.GetMemberId()) == nil {
			s.alarms.lower(ctx, alarm, "the member that raised it is gone")
		}
	}
}
