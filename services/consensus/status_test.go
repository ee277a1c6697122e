package consensus

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: who was shown a change is not told how a member was before it ("1365 is not greater than or equal to 1366": the status after a put,
// through services apart), and a member that is cut off is not waited for. Method: a follower that is cut off during changes, with a
// revision and without. It answers as it is, after a while; and once it is back, with what was seen.
func TestStatusWaitsForWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, members := cluster(t, 3)
		behind := follower(t, net, members)
		other := members[0]
		if other == behind {
			other = members[1]
		}
		change := func(command *consensusv1.Command) *consensusv1.Result {
			changed, err := other.propose(t.Context(), &consensusv1.ProposeRequest{Command: command})
			require.NoError(t, err)
			return changed.GetResult()
		}
		write := func() *consensusv1.Seen { return &consensusv1.Seen{Revision: change(put("a", "1")).GetRevision()} }
		compact := func() *consensusv1.Seen {
			command := &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: change(put("a", "1")).GetRevision()}}
			return &consensusv1.Seen{RaftIndex: change(&consensusv1.Command{Command: command}).GetRaftIndex()}
		}
		raise := func() *consensusv1.Seen {
			alarm := &consensusv1.Alarm{MemberId: other.MemberID(), Type: consensusv1.Alarm_TYPE_NOSPACE}
			command := &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Alarm: alarm}}
			return &consensusv1.Seen{RaftIndex: change(&consensusv1.Command{Command: command}).GetRaftIndex()}
		}
		status := func(ctx context.Context, seen *consensusv1.Seen) (bool, error) {
			found, err := behind.Status(ctx, &consensusv1.StatusRequest{Seen: seen})
			return found.GetRevision() >= seen.GetRevision() && found.GetRaftIndex() >= seen.GetRaftIndex(), err
		}
		for _, c := range []struct {
			name   string
			change func() *consensusv1.Seen
			shows  func(context.Context, *consensusv1.Seen) (bool, error)
		}{
			{"status after a write", write, status},
			{"status after a compaction", compact, status},
			{"hash after a write", write, func(ctx context.Context, seen *consensusv1.Seen) (bool, error) {
				found, err := behind.HashKV(ctx, &consensusv1.HashKVRequest{Seen: seen})
				return found.GetRevision() >= seen.GetRevision(), err
			}},
			{"end of a compaction", compact, func(ctx context.Context, seen *consensusv1.Seen) (bool, error) {
				_, err := behind.WaitCompacted(ctx, &consensusv1.WaitCompactedRequest{Seen: seen})
				return behind.store().CompactedRevision() == other.store().CompactedRevision(), err
			}},
			{"alarms after one was raised", raise, func(ctx context.Context, seen *consensusv1.Seen) (bool, error) {
				found, err := behind.Alarms(ctx, &consensusv1.AlarmsRequest{Seen: seen})
				return len(found.GetAlarms()) == 1, err
			}},
		} {
			net.isolate(behind.MemberID(), true)
			seen := c.change()
			shown, err := c.shows(t.Context(), seen)
			require.NoError(t, err, c.name)
			require.False(t, shown, "%s: it is cut off", c.name)
			net.isolate(behind.MemberID(), false)
			shown, err = c.shows(t.Context(), seen)
			require.NoError(t, err, c.name)
			require.True(t, shown, c.name)
		}
		for _, m := range members {
			require.NoError(t, m.halt())
		}
	})
}
