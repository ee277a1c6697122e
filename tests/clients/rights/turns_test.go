package rights

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

// turnNames are the names of the locks and elections of the matrix. Those who want a turn have keys below them, which attach deletes, so
// that nobody has to wait.
var turnNames = []string{"m/l", "n/l", "m/a", ""}

// turnKey is the key of a lease's place among those who want a turn.
func turnKey(name string, lease int64) string { return fmt.Sprintf("%s/%x", name, lease) }

// belowName are the keys of all who want a turn.
func belowName(name string) keys {
	return beginWith(name + "/")
}

// turnKeys are the keys that locks and elections of the matrix may have.
func turnKeys() (all []string) {
	for _, name := range turnNames {
		for id := range leases() {
			all = append(all, turnKey(name, id))
		}
		all = append(all, turnKey(name, 0))
	}
	return all
}

// noTurns deletes them.
func noTurns() (all []*pb.RequestOp) {
	for _, name := range turnNames {
		below := &pb.DeleteRangeRequest{Key: []byte(name + "/"), RangeEnd: []byte(name + "0")}
		all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: below}})
	}
	return all
}

// ofTurns are the methods of etcd's Lock and Election services. Whoever takes a place writes its key, with the lease, and reads all before.
func ofTurns() (all []try) {
	add := func(what, method string, request proto.Message, needs ...need) *try {
		all = append(all, try{name: method + " " + what, method: method, request: always(request), least: name, needs: needs, leases: true})
		return &all[len(all)-1]
	}
	for _, of := range turnNames {
		for lease, needs := range leases() {
			if of != "m/l" && of != "n/l" && lease != leaseOfM {
				continue
			}
			takesPlace(add, of, lease, needs)
		}
		add("of "+of, "Election.Leader", &v3electionpb.LeaderRequest{Name: []byte(of)}, reads(belowName(of)))
	}
	takesPlace(add, "m/l", 0, nil)
	for _, key := range []string{turnKey("m/l", leaseOfM), turnKey("n/l", leaseOfN), keyOfM, keyOfN} {
		add("of "+key, "Lock.Unlock", &v3lockpb.UnlockRequest{Key: []byte(key)}, writes(single(key)))
		leader := &v3electionpb.LeaderKey{Name: []byte("m/l"), Key: []byte(key), Rev: 1}
		add("of "+key, "Election.Resign", &v3electionpb.ResignRequest{Leader: leader}, reads(single(key)), writes(single(key)))
		for lease, needs := range leases() {
			leader := &v3electionpb.LeaderKey{Name: []byte("m/l"), Key: []byte(key), Rev: 1, Lease: lease}
			add(fmt.Sprintf("of %s with the lease %d", key, lease), "Election.Proclaim", &v3electionpb.ProclaimRequest{Leader: leader, Value: []byte("v")},
				append([]need{reads(single(key)), writes(single(key))}, needs...)...)
		}
	}
	for _, of := range []string{"m", "n"} { // there is somebody to tell of
		add("of "+of, "Election.Observe", &v3electionpb.LeaderRequest{Name: []byte(of)}, reads(belowName(of))).silent = true
	}
	return all
}

func takesPlace(add func(what, method string, request proto.Message, needs ...need) *try, of string, lease int64, needs []need) {
	what := fmt.Sprintf("of %s with the lease %d", of, lease)
	needs = append([]need{writes(single(turnKey(of, lease))), reads(belowName(of))}, needs...)
	add(what, "Lock.Lock", &v3lockpb.LockRequest{Name: []byte(of), Lease: lease}, needs...)
	add(what, "Election.Campaign", &v3electionpb.CampaignRequest{Name: []byte(of), Lease: lease, Value: []byte("v")}, needs...)
}

// Goal: who waits for a lock waits with their own rights, whoever else waits; with etcd the rights of who waited first count for all, which is
// shown too. Method: root has two locks, users of two prefixes wait for one each, and root gives both up.
func TestWaitersHaveTheirOwnRights(t *testing.T) {
	l := lock(t, store(t))
	require.NoError(t, l.attach(t.Context()))
	locks, kv := v3lockpb.NewLockClient(l.conn), pb.NewKVClient(l.conn)
	held := map[string][]byte{}
	for _, of := range []string{"m/l", "n/l"} {
		answer, err := locks.Lock(l.by(t, "root"), &v3lockpb.LockRequest{Name: []byte(of)})
		require.NoError(t, err)
		held[of] = answer.GetKey()
	}
	waits := func(who, of string) chan error {
		ended := make(chan error, 1)
		ctx := l.by(t, who)
		go func() {
			_, err := locks.Lock(ctx, &v3lockpb.LockRequest{Name: []byte(of)})
			ended <- err
		}()
		require.Eventually(t, func() bool {
			below, err := kv.Range(l.by(t, "root"), &pb.RangeRequest{Key: []byte(of + "/"), RangeEnd: []byte(of + "0"), CountOnly: true})
			return len(ended) > 0 || err == nil && below.GetCount() == 2
		}, 20*time.Second, time.Millisecond)
		return ended
	}
	first := waits("prefix", "m/l")
	second := waits("other", "n/l")
	if harness.IsPeer() {
		require.ErrorContains(t, <-second, "permission denied")
		return
	}
	for _, key := range held {
		_, err := locks.Unlock(l.by(t, "root"), &v3lockpb.UnlockRequest{Key: key})
		require.NoError(t, err)
	}
	require.NoError(t, <-first)
	require.NoError(t, <-second)
}
