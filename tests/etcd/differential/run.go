package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

// A store has a few streams of watches at a time: of watches that begin now or in the past, of those that begin in the future, and of those that
// compaction ends at once. etcd says nothing of progress on a stream that has one of the latter two.
const (
	presentStream = iota
	futureStream
	compactedStream
	streamsEach
)

// episode is a sequence of steps and what it runs against.
type episode struct {
	topology     string
	etcd, server string
	steps        []step
}

// runner is an episode under way.
type runner struct {
	ctx        context.Context
	etcd, ours *store
	// now and compacted are etcd's newest revision and that of its last compaction.
	now, compacted int64
	// recorders watch every key from the first revision on; history is what etcd's was told.
	recorders [2]*watching
	recorded  int
	history   []*mvccpb.Event
	streams   [streamsEach]*pair
	// crashed says that one of our processes began anew, and gave its leases their time again.
	crashed bool
}

// run starts new stores, does all steps and returns the first difference.
func (e episode) run(ctx context.Context) (*difference, error) {
	dir, err := os.MkdirTemp("", "quorate-differential-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &runner{ctx: ctx, now: 1}
	if err := e.open(ctx, r, dir); err != nil {
		return nil, err
	}
	defer r.etcd.close()
	defer r.ours.close()
	if err := r.watchAll(); err != nil {
		return nil, err
	}
	defer r.watchNone()
	for i, s := range e.steps {
		d, err := r.do(s)
		if err != nil {
			return nil, fmt.Errorf("step %d: %s: %w", i, s, err)
		}
		if d != nil {
			d.at, d.step = i, s
			return d, nil
		}
	}
	d, err := r.finish()
	if d != nil {
		d.at, d.step = len(e.steps), step{request: &pb.WatchRequest{}}
	}
	return d, err
}

// open starts both stores at once.
func (e episode) open(ctx context.Context, r *runner, dir string) error {
	peer := harness.New(harness.Config{Binary: e.etcd, DataDir: filepath.Join(dir, "etcd"), Args: []string{"--unsafe-no-fsync"}})
	r.etcd = &store{name: "etcd", nodes: harness.Cluster{peer}, start: harness.Cluster{peer}.Start}
	r.ours = &store{name: "ours"}
	endpoints := []string{}
	config := harness.Config{Binary: e.server, DataDir: filepath.Join(dir, "ours")}
	switch e.topology {
	case "one", "three":
		n := map[string]int{"one": 1, "three": 3}[e.topology]
		if n == 1 {
			r.ours.nodes = harness.Cluster{harness.New(config)}
		} else {
			r.ours.nodes = harness.NewCluster(config, n)
		}
		for _, node := range r.ours.nodes {
			endpoints = append(endpoints, node.Endpoint())
		}
	case "apart":
		apart := harness.NewApart(harness.ApartConfig{
			Programs: filepath.Dir(e.server), DataDir: config.DataDir, Sizes: harness.Sizes{Consensus: 1, Lease: 2, Watch: 2, API: 2},
		})
		r.ours.nodes, endpoints = apart.All(), apart.Endpoints()
	default:
		return fmt.Errorf("no topology is called %q: one, three, apart", e.topology)
	}
	r.ours.start = r.ours.nodes.Start
	var starting errgroup.Group
	starting.Go(func() error { return r.etcd.open(ctx, []string{peer.Endpoint()}) })
	starting.Go(func() error { return r.ours.open(ctx, endpoints) })
	if err := starting.Wait(); err != nil {
		r.etcd.close()
		r.ours.close()
		return err
	}
	return nil
}

// both does the same with both stores at once.
func both[T any](r *runner, do func(*store) T) (etcd, ours T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		etcd = do(r.etcd)
	}()
	ours = do(r.ours)
	<-done
	return etcd, ours
}

// do does one step.
func (r *runner) do(s step) (*difference, error) {
	request := resolve(s.request, r.now, r.compacted)
	if documented(request, r.now) {
		return nil, nil
	}
	if w, ok := request.(*pb.WatchRequest); ok {
		return r.watchStep(s.node, w)
	}
	_, compacts := request.(*pb.CompactionRequest)
	if compacts || s.crash {
		// What is under way to watches still has the values before it.
		if d, err := r.barrier(); d != nil || err != nil {
			return d, err
		}
		// The barrier has written, so that now is another revision.
		if request = resolve(s.request, r.now, r.compacted); documented(request, r.now) {
			return nil, nil
		}
	}
	if s.crash {
		r.dropWatches()
	}
	if err := r.catchUp(s); err != nil {
		return nil, err
	}
	d := r.compared(s, request)
	if d == nil && s.crash {
		return nil, r.crash(s.node)
	}
	return d, nil
}

// compared sends a request to both stores and compares the answers.
func (r *runner) compared(s step, request proto.Message) *difference {
	etcd, ours := both(r, func(s2 *store) answer { return s2.ask(r.ctx, s, request) })
	if r.crashed {
		orderLeases(etcd.body)
		orderLeases(ours.body)
	}
	if h, ok := etcd.body.(interface{ GetHeader() *pb.ResponseHeader }); ok {
		r.now = max(r.now, h.GetHeader().GetRevision())
	}
	if c, ok := request.(*pb.CompactionRequest); ok && etcd.code == codes.OK {
		r.compacted = max(r.compacted, c.Revision)
	}
	if what := compare(etcd, ours); len(what) > 0 {
		return &difference{what: what, etcd: etcd.String(), ours: ours.String()}
	}
	return nil
}

// catchUp brings the step's endpoint to what others of the store have acknowledged, where there are others: what is not linearizable is compared too.
func (r *runner) catchUp(s step) error {
	if len(r.ours.conns) == 1 {
		return nil
	}
	switch s.request.(type) {
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.CompactionRequest:
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, answerWithin)
	defer cancel()
	_, err := invoke(ctx, r.ours.conn(s.node), &pb.RangeRequest{Key: []byte("settle"), CountOnly: true})
	return err
}

// crash kills one of our processes at once, starts it again, and waits until all serves.
func (r *runner) crash(node int) error {
	process := r.ours.nodes[node%len(r.ours.nodes)]
	r.crashed = true
	process.Kill()
	if err := process.Start(r.ctx); err != nil {
		return err
	}
	if err := r.ours.settle(r.ctx); err != nil {
		return err
	}
	return r.rewatch()
}

// finish compares what is left at the end: all that was watched, the history from the last compaction on, and every key.
func (r *runner) finish() (*difference, error) {
	if d, err := r.barrier(); d != nil || err != nil {
		return d, err
	}
	if d, err := r.readHistory(); d != nil || err != nil {
		return d, err
	}
	return r.compared(step{}, &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}), nil
}
