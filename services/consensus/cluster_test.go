package consensus

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// network delivers raft messages between members of one process, unless their link is cut.
type network struct {
	mu struct {
		sync.Mutex
		members map[uint64]*running
		cut     map[[2]uint64]bool
		// sending counts the messages that are on their way from one member to another.
		sending map[[2]uint64]int
	}
	// sent wakes who waits for sending to change.
	sent sync.Cond
}

func newNetwork() *network {
	n := &network{}
	n.mu.members = make(map[uint64]*running)
	n.mu.cut = make(map[[2]uint64]bool)
	n.mu.sending = make(map[[2]uint64]int)
	n.sent.L = &n.mu
	return n
}

// Send implements Transport. Messages are copied as a wire would.
func (n *network) Send(messages []*raftpb.Message) {
	for _, m := range messages {
		way := [2]uint64{m.GetFrom(), m.GetTo()}
		n.mu.Lock()
		to := n.mu.members[m.GetTo()]
		if n.mu.cut[way] {
			to = nil
		}
		n.mu.sending[way]++
		n.mu.Unlock()
		switch {
		case to == nil:
		case m.GetType() == raftpb.MsgSnap:
			go n.ship(m, to)
		default:
			to.Receiver().Step(proto.CloneOf(m))
		}
		n.mu.Lock()
		n.mu.sending[way]--
		n.mu.Unlock()
		n.sent.Broadcast()
	}
}

// ship copies a checkpoint of the sender's to the receiver and has it installed.
func (n *network) ship(m *raftpb.Message, to *running) {
	n.mu.Lock()
	from := n.mu.members[m.GetFrom()]
	n.mu.Unlock()
	err := func() error {
		dir, index, term, release, err := from.Receiver().Checkpoint(context.Background())
		if err != nil {
			return err
		}
		defer release()
		received := to.cfg.FS.PathJoin(to.cfg.DataDir, "member", "received")
		if _, err := vfs.Clone(from.cfg.FS, to.cfg.FS, dir, received); err != nil {
			return err
		}
		return to.Receiver().InstallSnapshot(context.Background(), peer.ReceivedSnapshot{
			Dir: received, From: m.GetFrom(), Index: index, Term: term, Message: proto.CloneOf(m),
		})
	}()
	from.Receiver().ReportSnapshot(m.GetTo(), err == nil)
}

// SetPeers implements Transport: everybody knows everybody.
func (n *network) SetPeers([]*consensusv1.Member) {}

// SetRemoved implements Transport.
func (n *network) SetRemoved([]uint64) {}

// OldestTransfer implements Transport.
func (n *network) OldestTransfer() (uint64, bool) { return 0, false }

// ActiveSince implements Transport.
func (n *network) ActiveSince(id uint64) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Time{}, n.mu.members[id] != nil
}

func (n *network) add(id uint64, m *running) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.members[id] = m
}

// asking is the network as one member asks through it.
type asking struct {
	*network
	from uint64
}

// Digests implements Auditor.
func (a asking) Digests(ctx context.Context, id uint64, req *consensusv1.DigestsRequest) (*consensusv1.DigestsResponse, error) {
	a.mu.Lock()
	to := a.mu.members[id]
	if a.mu.cut[[2]uint64{a.from, id}] || a.mu.cut[[2]uint64{id, a.from}] {
		to = nil
	}
	a.mu.Unlock()
	if to == nil {
		return nil, errdefs.ErrStopped
	}
	return to.Digests(ctx, req)
}

// isolate cuts a member off, both ways, or connects it again. No message that was sent before arrives after it.
func (n *network) isolate(id uint64, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range n.mu.members {
		for _, way := range [][2]uint64{{id, other}, {other, id}} {
			n.mu.cut[way] = cut
			for n.mu.sending[way] > 0 {
				n.sent.Wait()
			}
		}
	}
}

// cluster starts members 1 to n on one network and waits until all serve.
func cluster(t *testing.T, n int) (*network, []*running) {
	t.Helper()
	return clusterWith(t, n, func(*Config) {}, nil)
}

// clusterWith is cluster with settings of the test's own, and with what it does to the first member once all run.
func clusterWith(t *testing.T, n int, configure func(*Config), begin func(first *running)) (*network, []*running) {
	t.Helper()
	net := newNetwork()
	var founders []*consensusv1.Member
	for id := range n {
		founders = append(founders, &consensusv1.Member{Id: uint64(id + 1), Name: fmt.Sprintf("m%d", id+1)})
	}
	members := make([]*running, n)
	for i := range members {
		cfg := testConfig(vfs.NewMem())
		cfg.MemberID, cfg.Members, cfg.Name, cfg.Transport = uint64(i+1), founders, fmt.Sprintf("m%d", i+1), net
		cfg.Auditor = asking{net, cfg.MemberID}
		configure(&cfg)
		members[i] = launch(t, cfg)
		net.add(cfg.MemberID, members[i])
	}
	if begin != nil {
		begin(members[0])
	}
	for _, m := range members {
		m.awaitReady(t)
	}
	return net, members
}

func leaderOf(t *testing.T, members []*running) *running {
	t.Helper()
	for {
		for _, m := range members {
			if status, err := m.Status(t.Context(), &consensusv1.StatusRequest{}); err == nil && status.GetLeaderId() == m.MemberID() {
				return m
			}
		}
		require.NoError(t, t.Context().Err())
	}
}

// Every member serves every request: writes through each are seen by linearizable reads through each of the others.
func TestEveryMemberServes(t *testing.T) {
	_, members := cluster(t, 3)
	for i, writer := range members {
		key := fmt.Sprintf("key%d", i)
		writer.mustPut(t, key, "value")
		for _, reader := range members {
			require.Equal(t, "value", reader.get(t, key))
		}
	}
	list, err := members[1].Members(t.Context(), &consensusv1.MembersRequest{})
	require.NoError(t, err)
	require.Len(t, list.GetMembers(), 3)
	for _, m := range list.GetMembers() {
		require.NotEmpty(t, m.GetClientUrls())
	}
}

// A cluster that loses its leader goes on, and what was acknowledged before is still there; the old leader, cut off,
// neither acknowledges a write nor answers a linearizable read, and catches up once it is back.
func TestIsolatedLeaderIsReplaced(t *testing.T) {
	net, members := cluster(t, 3)
	members[0].mustPut(t, "key", "before")
	old := leaderOf(t, members)
	net.isolate(old.MemberID(), true)
	var others []*running
	for _, m := range members {
		if m != old {
			others = append(others, m)
		}
	}

	deadline, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := old.Propose(deadline, &consensusv1.ProposeRequest{Command: put("key", "from the isolated leader")})
	require.Error(t, err)
	_, err = old.Range(deadline, &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("key")}})
	require.Error(t, err)

	writeUntilAcknowledged(t, others[0], "key", "after")
	require.Equal(t, "after", others[1].get(t, "key"))
	net.isolate(old.MemberID(), false)
	require.Equal(t, "after", old.get(t, "key"))
}

// A member that joins gets the state from the leader, votes once it is promoted, and serves what was written before it
// came; a removed member stops by itself and the rest goes on. The cluster grows from one to three and shrinks again.
func TestMembersJoinAndLeave(t *testing.T) {
	net, members := cluster(t, 1)
	first := members[0]
	for i := range 50 {
		first.mustPut(t, fmt.Sprintf("key%d", i), "before they came")
	}
	join := func(name string, learner bool) *running {
		added, err := first.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://" + name}, IsLearner: learner})
		require.NoError(t, err)
		cfg := testConfig(vfs.NewMem())
		cfg.MemberID, cfg.Name, cfg.Transport = added.GetMember().GetId(), name, net
		cfg.Join, cfg.Members = true, added.GetMembers()
		m := launch(t, cfg)
		net.add(cfg.MemberID, m)
		m.awaitReady(t)
		require.Equal(t, "before they came", m.get(t, "key7"))
		return m
	}
	second := join("second", false)
	third := join("third", true)
	second.mustPut(t, "key", "through the second")
	third.mustPut(t, "key", "through a learner")
	require.Equal(t, "through a learner", first.get(t, "key"))
	_, err := leaderOf(t, []*running{first, second, third}).PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: third.MemberID()})
	require.NoError(t, err)

	net.isolate(first.MemberID(), true)
	writeUntilAcknowledged(t, second, "key", "two of three are a quorum")
	require.Equal(t, "two of three are a quorum", third.get(t, "key"))
	net.isolate(first.MemberID(), false)
	require.Equal(t, "two of three are a quorum", first.get(t, "key"))

	leader := leaderOf(t, []*running{first, second, third})
	_, err = leader.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: leader.MemberID()})
	require.NoError(t, err)
	<-leader.ended
	require.ErrorIs(t, leader.err, ErrRemoved)
	for _, m := range []*running{first, second, third} {
		if m != leader {
			writeUntilAcknowledged(t, m, "key", "after the leader left")
		}
	}
}

// writeUntilAcknowledged tries again while leadership moves.
func writeUntilAcknowledged(t *testing.T, m *running, key, value string) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := m.Propose(ctx, &consensusv1.ProposeRequest{Command: put(key, value)})
		cancel()
		if err == nil {
			return
		}
		require.NoError(t, t.Context().Err())
	}
}
