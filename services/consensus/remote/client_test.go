package remote

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// fake is a member whose answers name it. Calls that a test does not use are left out, and panic.
type fake struct {
	rpc.Member
	id     uint64
	server *httptest.Server
	mu     struct {
		sync.Mutex
		leader, term uint64
		changed      chan struct{}
		asked        []string
		// stuck, unless nil, has reads wait for their end, and takes a token of each.
		stuck chan struct{}
		// revision is what answers show, seen what serializable reads said that they had been shown.
		revision, seen int64
		// index is what answers to changes show, shown what questions for the member's own state said that they had been shown.
		index       uint64
		shown       *consensusv1.Seen
		incarnation uint64
	}
}

// timeout is longer than any call of a test should take.
const timeout = time.Minute

func (f *fake) MemberID() uint64 { return f.id }

func (f *fake) ClusterID() uint64 { return 9 }

func (f *fake) Incarnation() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.incarnation
}

func (f *fake) Standing() (leader, term uint64, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.leader, f.mu.term, f.mu.changed
}

// follow has the member follow a leader, 0 for none, in a term.
func (f *fake) follow(leader, term uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.leader, f.mu.term = leader, term
	close(f.mu.changed)
	f.mu.changed = make(chan struct{})
}

func (f *fake) note(what string) (stuck chan struct{}, revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.asked = append(f.mu.asked, what)
	return f.mu.stuck, f.mu.revision
}

func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.mu.asked
	f.mu.asked = nil
	return asked
}

func (f *fake) Propose(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	_, revision := f.note("propose")
	f.mu.Lock()
	defer f.mu.Unlock()
	return &consensusv1.ProposeResponse{Result: &consensusv1.Result{Revision: revision, RaftIndex: f.mu.index}}, nil
}

func (f *fake) told(seen *consensusv1.Seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.shown = seen
}

func (f *fake) Status(_ context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	f.told(req.GetSeen())
	return &consensusv1.StatusResponse{}, nil
}

func (f *fake) HashKV(_ context.Context, req *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error) {
	f.told(req.GetSeen())
	return &consensusv1.HashKVResponse{}, nil
}

func (f *fake) Alarms(_ context.Context, req *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	f.told(req.GetSeen())
	return &consensusv1.AlarmsResponse{}, nil
}

func (f *fake) WaitCompacted(_ context.Context, req *consensusv1.WaitCompactedRequest) (*consensusv1.WaitCompactedResponse, error) {
	f.told(req.GetSeen())
	return &consensusv1.WaitCompactedResponse{}, nil
}

func (f *fake) Range(ctx context.Context, req *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	stuck, revision := f.note("range")
	if stuck != nil {
		stuck <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.seen = req.GetSeenRevision()
	return &consensusv1.RangeResponse{Revision: revision}, nil
}

func (f *fake) ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	_, revision := f.note("index")
	return &consensusv1.ReadIndexResponse{Revision: revision}, nil
}

func (f *fake) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	_, revision := f.note("position")
	return &consensusv1.PositionResponse{MemberId: f.id, Revision: revision}, nil
}

func (f *fake) PromoteMember(context.Context, *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	f.note("promote")
	if leader, _, _ := f.Standing(); leader != f.id {
		return nil, errdefs.ErrNotLeader
	}
	return &consensusv1.PromoteMemberResponse{}, nil
}

func (f *fake) Snapshot(_ context.Context, _ *consensusv1.SnapshotRequest, send func(*consensusv1.SnapshotResponse) error) error {
	f.note("snapshot")
	return send(&consensusv1.SnapshotResponse{RemainingBytes: f.id})
}

// serve starts a member that follows the member 1, in the term 1.
func serve(t *testing.T, id uint64) *fake {
	t.Helper()
	f := &fake{id: id}
	f.mu.leader, f.mu.term, f.mu.changed, f.mu.incarnation = 1, 1, make(chan struct{}), 100+id
	mux := http.NewServeMux()
	auth := &fakeAuth{member: f}
	mux.Handle(rpc.NewHandler(f, auth, &struct{ rpc.Quotas }{}, &struct{ rpc.Inspector }{}, validation.Check))
	mux.Handle(rpc.NewAuthHandler(auth, validation.Check))
	f.server = httptest.NewUnstartedServer(mux)
	f.server.Config.Protocols = new(http.Protocols)
	f.server.Config.Protocols.SetUnencryptedHTTP2(true)
	f.server.Start()
	t.Cleanup(f.kill)
	return f
}

func (f *fake) kill() { f.server.CloseClientConnections(); f.server.Close() }

// open makes a client that is connected to all of the members.
func open(t *testing.T, members ...*fake) *Client {
	t.Helper()
	var urls []string
	for _, m := range members {
		urls = append(urls, m.server.URL)
	}
	set, err := resolver.New(resolver.Config{Endpoints: urls})
	require.NoError(t, err)
	c := New(set, timeout, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	<-c.Ready()
	await(c, func() bool { return len(c.balancer.View().Backends) == len(members) })
	return c
}

// await waits until the nodes are as wanted.
func await(c *Client, wanted func() bool) {
	for view := c.balancer.View(); !wanted(); view = c.balancer.View() {
		<-view.Changed
	}
}

// heard tells whether a member has told the client that it follows a leader in a term.
func (c *Client) heard(member, leader, term uint64) func() bool {
	return func() bool {
		for _, m := range c.balancer.View().Backends {
			if m.Standing.GetMemberId() == member {
				return m.Standing.GetLeaderId() == leader && m.Standing.GetRaftTerm() == term
			}
		}
		return false
	}
}

func (c *Client) put(t *testing.T) {
	t.Helper()
	_, err := c.Propose(t.Context(), &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k")}},
	}})
	require.NoError(t, err)
}

func (c *Client) get(t *testing.T, serializable bool) *consensusv1.RangeResponse {
	t.Helper()
	answer, err := c.Range(t.Context(), &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("k")}, Serializable: serializable})
	require.NoError(t, err)
	return answer
}

// Goal: linearizable reads are spread over the members that see a leader, and all else goes to the leader. Method: calls of
// each kind on three members, of which one then loses its leader.
func TestWhoIsAsked(t *testing.T) {
	a, b, c := serve(t, 1), serve(t, 2), serve(t, 3)
	client := open(t, a, b, c)
	for range 3 {
		client.get(t, false)
	}
	for _, m := range []*fake{a, b, c} {
		require.Equal(t, []string{"range"}, m.asked())
	}
	client.put(t)
	client.get(t, true)
	require.NoError(t, client.Snapshot(t.Context(), &consensusv1.SnapshotRequest{}, func(part *consensusv1.SnapshotResponse) error {
		require.Equal(t, uint64(1), part.GetRemainingBytes())
		return nil
	}))
	require.Equal(t, []string{"propose", "range", "snapshot"}, a.asked())

	c.follow(0, 1)
	await(client, client.heard(3, 0, 1))
	for range 4 {
		client.get(t, false)
	}
	require.Empty(t, c.asked())
	require.Len(t, append(a.asked(), b.asked()...), 4)
}

// Goal: what the leader alone can do follows the leader, and a member that says that it does not lead is asked again only
// once it does. Method: leadership moves, and the members learn of it one after the other.
func TestLeaderIsFollowed(t *testing.T) {
	a, b := serve(t, 1), serve(t, 2)
	client := open(t, a, b)
	a.mu.Lock()
	a.mu.leader, a.mu.term = 2, 2 // nobody was told yet
	a.mu.Unlock()
	promoted := make(chan error, 1)
	go func() {
		_, err := client.PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: 9})
		promoted <- err
	}()
	a.follow(2, 2)
	b.follow(2, 2)
	require.NoError(t, <-promoted)
	require.Contains(t, b.asked(), "promote")
	await(client, func() bool { leader, _, _ := client.Leader(); return leader == 2 })
}

// Goal: a leader that is frozen, and goes on standing as one, is passed over from the moment at which another member follows
// the next: by changes, what the leader alone does, reads of both kinds, and those that wait for it already. Method: the
// others go on to a later term without it, the new leader telling so last; only what was told can be known.
func TestFrozenLeaderIsPassedOver(t *testing.T) {
	a, b, c := serve(t, 1), serve(t, 2), serve(t, 3)
	client := open(t, a, b, c)
	a.mu.Lock()
	a.mu.stuck = make(chan struct{}, 1)
	a.mu.Unlock()
	waiting := make(chan struct{})
	go func() { client.get(t, true); close(waiting) }()
	<-a.mu.stuck
	require.Equal(t, []string{"range"}, a.asked())
	b.follow(3, 2)
	await(client, client.heard(2, 3, 2))
	<-waiting
	client.put(t)
	require.Equal(t, []string{"range", "propose"}, b.asked(), "it passes on what the new leader cannot be asked for yet")
	c.follow(3, 2)
	await(client, client.heard(3, 3, 2))

	client.put(t)
	client.get(t, true)
	_, err := client.PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: 9})
	require.NoError(t, err)
	require.Equal(t, []string{"propose", "range", "promote"}, c.asked())
	for range 4 {
		client.get(t, false)
	}
	require.Empty(t, a.asked())
	leader, _, _ := client.Leader()
	require.Equal(t, uint64(3), leader)
}

// Goal: a term without a leader overrules nobody, and a leader that is elected again says so. Method: a member that stands for
// election, and then the old leader's win.
func TestElectionOverrulesNobody(t *testing.T) {
	a, b := serve(t, 1), serve(t, 2)
	client := open(t, a, b)
	b.follow(0, 2)
	await(client, client.heard(2, 0, 2))
	client.put(t)
	client.get(t, true)
	require.Equal(t, []string{"propose", "range"}, a.asked())
	a.follow(1, 3)
	await(client, client.heard(1, 1, 3))
	client.put(t)
	require.Equal(t, []string{"propose"}, a.asked())
}

// Goal: a read that waits for a member which loses its leader, or dies, is made on another one. Method: a member that does
// not answer, in both ways.
func TestReadsMoveOn(t *testing.T) {
	for name, fail := range map[string]func(*fake){
		"leader lost": func(f *fake) { f.follow(0, 1) },
		"dead":        (*fake).kill,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := serve(t, 1), serve(t, 2)
			client := open(t, a, b)
			b.mu.stuck = make(chan struct{}, 2)
			done := make(chan struct{}, 2)
			for range 2 { // one of them gets to b
				go func() { client.get(t, false); done <- struct{}{} }()
			}
			<-done
			fail(b)
			<-done
		})
	}
}

// Goal: a client does not go back in time: a serializable read and a position know what was shown before. Method: a leader
// that shows less than a follower did.
func TestTimeDoesNotGoBack(t *testing.T) {
	a, b := serve(t, 1), serve(t, 2)
	a.mu.revision, b.mu.revision = 5, 7
	client := open(t, a, b)
	for range 2 {
		client.get(t, false)
	}
	position, err := client.Position(t.Context(), &consensusv1.PositionRequest{})
	require.NoError(t, err)
	require.Equal(t, int64(7), position.GetRevision())
	client.get(t, true)
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Equal(t, int64(7), a.mu.seen)
}

// Goal: what tells of a member waits for what its caller has been shown, of whatever store is there. Method: each such question after a
// change, and again after another store took the place of the first.
func TestQuestionsForAMemberSayWhatWasSeen(t *testing.T) {
	f := serve(t, 1)
	f.hold(101, 15)
	f.mu.index = 40
	c := open(t, f)
	c.put(t)
	questions := map[string]func() error{
		"status":  func() error { _, err := c.Status(t.Context(), &consensusv1.StatusRequest{Nearest: true}); return err },
		"hash":    func() error { _, err := c.HashKV(t.Context(), &consensusv1.HashKVRequest{}); return err },
		"alarms":  func() error { _, err := c.Alarms(t.Context(), &consensusv1.AlarmsRequest{}); return err },
		"compact": func() error { _, err := c.WaitCompacted(t.Context(), &consensusv1.WaitCompactedRequest{}); return err },
	}
	for name, ask := range questions {
		require.NoError(t, ask(), name)
		require.EqualValues(t, 15, f.mu.shown.GetRevision(), name)
		require.EqualValues(t, 40, f.mu.shown.GetRaftIndex(), name)
	}
	c.store.confirms(3, known{seen: 15})
	for name, ask := range questions {
		require.NoError(t, ask(), name)
		require.EqualValues(t, 3, f.mu.shown.GetRevision(), name)
		require.Zero(t, f.mu.shown.GetRaftIndex(), name)
	}
}
