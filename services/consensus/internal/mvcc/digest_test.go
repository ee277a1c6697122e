package mvcc

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// atOnce is the pace of a Verify that has nobody to wait for.
func atOnce(context.Context, int) error { return nil }

// requireSameDigests fails unless both stores, which applied the same commands, know so, and find on disk what they say.
func requireSameDigests(t *testing.T, a, b *Store) {
	t.Helper()
	require.NoError(t, a.Verify(t.Context(), atOnce))
	require.NoError(t, b.Verify(t.Context(), atOnce))
	of := map[uint64]Digest{}
	for _, d := range a.Digests() {
		require.NotZero(t, d.State)
		require.True(t, d.History != 0 || d.Index%DigestInterval == 0)
		of[d.Index] = d
	}
	same := 0
	for _, d := range b.Digests() {
		if other, both := of[d.Index]; both {
			if d.History == 0 || other.History == 0 {
				d.History, other.History = 0, 0
			}
			require.Equal(t, other, d)
			same++
		}
	}
	require.Positive(t, same)
}

// applyEach applies each command as an entry of its own, in one batch.
func applyEach(t *testing.T, s *Store, commands ...*consensusv1.Command) {
	t.Helper()
	b := begin(s)
	defer b.Close()
	index, _ := s.Applied()
	for _, c := range commands {
		index++
		_, _, err := b.Apply(c)
		require.NoError(t, err)
		b.SetApplied(index, 1)
	}
	require.NoError(t, b.Commit())
}

func grantCommand(id int64) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: id, Ttl: 60}}}
}

func leasedCommand(key string, lease int64) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte("v"), Lease: lease}}}
}

func fileCommand(path string, expiration int64) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: &consensusv1.TreeOp{
		Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte(path), Expiration: expiration,
	}}}
}

func dirCommand(path string) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: &consensusv1.TreeOp{
		Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte(path), Dir: true,
	}}}
}

func newest(s *Store) Digest {
	all := s.Digests()
	return all[len(all)-1]
}

// Stores that applied different commands have different digests, at once and at the next index that all members can
// compare: the state's as long as the states differ, the history's until that index even if they do not any more.
func TestDigestTellsWhatDiffers(t *testing.T) {
	put := putCommand("k", "v")
	for name, differing := range map[string]struct {
		a, b      *consensusv1.Command
		sameAgain *consensusv1.Command // makes the states the same, nil for nothing does
	}{
		"value":          {put, putCommand("k", "w"), deleteCommand("k", "")},
		"key":            {put, putCommand("l", "v"), nil},
		"lease":          {grantCommand(1), grantCommand(2), nil},
		"alarm":          {alarmCommand(1, false), alarmCommand(2, false), alarmCommand(0, true)},
		"directory":      {dirCommand("/d"), dirCommand("/e"), nil},
		"expiration":     {fileCommand("/f", 7), fileCommand("/f", 8), deleteCommand("/f", "")},
		"kind of change": {putCommand("/f", ""), fileCommand("/f", 0), nil},
		"revision":       {deleteCommand("none", ""), put, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := openSmall(t, vfs.NewMem()), openSmall(t, vfs.NewMem())
			applyEach(t, a, differing.a)
			applyEach(t, b, differing.b)
			require.NotEqual(t, newest(a).History, newest(b).History)
			if name != "kind of change" {
				require.NotEqual(t, newest(a).State, newest(b).State)
			}
			if differing.sameAgain != nil {
				applyEach(t, a, differing.sameAgain)
				applyEach(t, b, differing.sameAgain)
				require.Equal(t, newest(a).State, newest(b).State)
				require.NotEqual(t, newest(a).History, newest(b).History)
			}
			var more []*consensusv1.Command
			for i := newest(a).Index; i < 2*DigestInterval; i++ {
				more = append(more, putCommand("more", fmt.Sprint(i)))
			}
			applyEach(t, a, more...)
			applyEach(t, b, more...)
			first, second := a.Digests()[0], b.Digests()[0]
			require.EqualValues(t, DigestInterval, first.Index)
			require.Equal(t, first.Index, second.Index)
			require.NotEqual(t, first.History, second.History)
			last := a.Digests()[1]
			require.EqualValues(t, 2*DigestInterval, last.Index)
			if a.Revision() == b.Revision() {
				require.Equal(t, last.History, b.Digests()[1].History, "a history begins anew at each interval")
			}
			for _, s := range []*Store{a, b} {
				require.NoError(t, s.Verify(t.Context(), atOnce))
				require.NoError(t, s.Close())
			}
		})
	}
}

func alarmCommand(member uint64, disarm bool) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{
		Disarm: disarm, Alarm: &consensusv1.Alarm{MemberId: member, Type: consensusv1.Alarm_TYPE_NOSPACE},
	}}}
}

// Whatever is changed below the store, of what is current, is found by reading it, also after a restart.
func TestVerifyFindsDamage(t *testing.T) {
	rewrite := func(key []byte, change func([]byte) []byte) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			b, err := getRow(s, key)
			require.NoError(t, err)
			require.NotNil(t, b)
			require.NoError(t, s.db.Set(key, change(b), pebble.NoSync))
		}
	}
	remove := func(key []byte) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			b, err := getRow(s, key)
			require.NoError(t, err)
			require.NotNil(t, b, "there is nothing to remove")
			require.NoError(t, s.db.Delete(key, pebble.NoSync))
		}
	}
	turn := func(b []byte) []byte {
		b[len(b)-1] ^= 1
		return b
	}
	for name, damage := range map[string]func(*testing.T, *Store){
		"value":            rewrite(appendVersionKey(nil, []byte("a"), 3), turn),
		"version missing":  remove(appendVersionKey(nil, []byte("a"), 3)),
		"key missing":      remove(appendVersionKey(nil, []byte("b"), 4)),
		"tombstone gone":   remove(appendVersionKey(nil, []byte("c"), 6)),
		"lease":            rewrite(appendLeaseKey(nil, 1), turn),
		"lease missing":    remove(appendLeaseKey(nil, 1)),
		"attachment":       remove(appendAttachmentKey(nil, 1, []byte("d"))),
		"directory":        remove(appendDirKey(nil, []byte("/dir"))),
		"expiry":           remove(appendExpiryKey(nil, 9, expiryFile, []byte("/file"))),
		"alarm":            remove(appendAlarmKey(nil, 7, int32(consensusv1.Alarm_TYPE_NOSPACE))),
		"count":            rewrite(appendCountKey(nil, ""), turn),
		"malformed record": rewrite(appendVersionKey(nil, []byte("a"), 3), func([]byte) []byte { return []byte{0xff, 0xff} }),
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openSmall(t, fs)
			applyEach(t, s,
				putCommand("a", "old"), putCommand("a", "new"), putCommand("b", "b"), putCommand("c", "c"), deleteCommand("c", ""),
				grantCommand(1), leasedCommand("d", 1), dirCommand("/dir"), fileCommand("/file", 9), alarmCommand(7, false))
			require.NoError(t, s.Verify(t.Context(), atOnce))
			damage(t, s)
			require.ErrorIs(t, s.Verify(t.Context(), atOnce), ErrDamaged)
			require.NoError(t, s.Close())
			s = openSmall(t, fs)
			require.ErrorIs(t, s.Verify(t.Context(), atOnce), ErrDamaged)
			require.NoError(t, s.Close())
		})
	}
}

// A directory that was written by a program without digests, wholly or for a while, gets one from the first scan, equal
// to that of a member that always had one; what is written before the scan ends is counted, and a restart forgets
// nothing, be it before or after.
func TestDigestBeginsWithAScan(t *testing.T) {
	key := appendMetaKey(nil, metaPosition)
	bare := func(s *Store) []byte {
		p := appendPosition(nil, &s.state.Load().position)
		return p[:len(p)-len(appendDigest(nil, &digest{}))]
	}
	for name, position := range map[string]func(*Store) []byte{
		"no digest":      bare,
		"another format": func(s *Store) []byte { return append(bare(s), DigestFormat+1, 1, 2, 3) },
		"no sum": func(s *Store) []byte {
			return appendDigest(bare(s), &digest{sum: 5})
		},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restarts ", restarts), func(t *testing.T) {
				fs := vfs.NewMem()
				s, always := openSmall(t, fs), openSmall(t, vfs.NewMem())
				reopen := func() {
					require.NoError(t, s.Close())
					s = openSmall(t, fs)
				}
				both := func(commands ...*consensusv1.Command) {
					applyEach(t, s, commands...)
					applyEach(t, always, commands...)
				}
				both(putCommand("a", "1"), putCommand("b", "1"), grantCommand(1))
				require.NoError(t, s.db.Set(key, position(s), pebble.NoSync))
				reopen()
				require.Zero(t, newest(s).State)
				require.Zero(t, newest(s).History)
				both(putCommand("a", "2"), deleteCommand("b", ""))
				if restarts {
					reopen()
				}
				both(putCommand("c", "1"))
				require.Zero(t, newest(s).State)
				require.NoError(t, s.Verify(t.Context(), atOnce))
				require.Equal(t, newest(always).State, newest(s).State)
				both(putCommand("c", "2"))
				if restarts {
					reopen()
				}
				require.Equal(t, newest(always).State, newest(s).State)
				require.NoError(t, s.Verify(t.Context(), atOnce))
				require.NoError(t, s.Close())
				require.NoError(t, always.Close())
			})
		}
	}
}

// A member that starts from another's files goes on with its digests.
func TestCheckpointCarriesTheDigest(t *testing.T) {
	fs := vfs.NewMem()
	s := openSmall(t, fs)
	applyEach(t, s, putCommand("a", "1"), putCommand("a", "2"))
	require.NoError(t, s.Checkpoint("copy"))
	copied, err := Open(Config{Dir: "copy", FS: fs})
	require.NoError(t, err)
	require.Equal(t, newest(s), newest(copied))
	for _, one := range []*Store{s, copied} {
		applyEach(t, one, putCommand("b", "1"))
	}
	requireSameDigests(t, s, copied)
	require.NoError(t, s.Close())
	require.NoError(t, copied.Close())
}

// Verify reads one moment, whatever is written meanwhile, gives its reader pauses, and ends when they fail.
func TestVerifyReadsOneMoment(t *testing.T) {
	s := openSmall(t, vfs.NewMem())
	value := string(make([]byte, 64<<10))
	var commands []*consensusv1.Command
	for i := range 50 {
		commands = append(commands, putCommand(fmt.Sprintf("%03d", i), value))
	}
	applyEach(t, s, commands...)
	pauses := 0
	require.NoError(t, s.Verify(t.Context(), func(_ context.Context, read int) error {
		pauses++
		require.GreaterOrEqual(t, read, verifyChunkBytes)
		applyEach(t, s, putCommand(fmt.Sprintf("%03d", pauses*16+5), "written meanwhile"), deleteCommand("049", ""), putCommand("049", "again"))
		return nil
	}))
	require.Equal(t, 3, pauses)
	require.ErrorIs(t, s.Verify(t.Context(), func(context.Context, int) error { return context.Canceled }), context.Canceled)
	require.NoError(t, s.Close())
}
