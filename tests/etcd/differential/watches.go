package main

import (
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// pair is the same stream of watches at both stores.
type pair struct {
	node       int
	etcd, ours *watching
	// controls is how many answers and ends came on each.
	controls int
	open     map[int64]*opened
	// spent are the ids of watches that compaction ended: documented, ours are free again and etcd's are not.
	spent map[int64]bool
}

// opened is a watch that is open.
type opened struct {
	create *pb.WatchCreateRequest
	from   int64
}

// all is the request that watches every key.
func all(from int64) *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: from, PrevKv: true,
	}}}
}

// watchAll begins the recording at both stores.
func (r *runner) watchAll() error {
	for i, s := range []*store{r.etcd, r.ours} {
		w, err := r.record(s, 2)
		if err != nil {
			return err
		}
		r.recorders[i] = w
	}
	return nil
}

// record watches every key of a store from a revision on.
func (r *runner) record(s *store, from int64) (*watching, error) {
	w, err := watch(r.ctx, s.conn(0))
	if err != nil {
		return nil, err
	}
	if err := w.stream.Send(all(from)); err != nil {
		return nil, err
	}
	_, err = w.controlled(0)
	return w, err
}

// rewatch goes on recording after a crash, both stores from where the last comparison ended.
func (r *runner) rewatch() error {
	from := r.recorded + 1
	for i, s := range []*store{r.etcd, r.ours} {
		r.recorders[i].close()
		w, err := r.record(s, int64(from))
		if err != nil {
			return err
		}
		r.recorders[i] = w
	}
	return nil
}

func (r *runner) watchNone() {
	r.dropWatches()
	for _, w := range r.recorders {
		w.close()
	}
}

// dropWatches ends all streams but the recorders'.
func (r *runner) dropWatches() {
	for i, p := range r.streams {
		if p != nil {
			p.etcd.close()
			p.ours.close()
			r.streams[i] = nil
		}
	}
}

// pair returns a stream of each store, new ones at the node that a step's number chooses if there are none.
func (r *runner) pair(which, node int) (*pair, error) {
	at := &r.streams[which]
	if *at != nil {
		return *at, nil
	}
	p := &pair{node: node, open: map[int64]*opened{}, spent: map[int64]bool{}}
	var err error
	if p.etcd, err = watch(r.ctx, r.etcd.conn(node)); err != nil {
		return nil, err
	}
	if p.ours, err = watch(r.ctx, r.ours.conn(node)); err != nil {
		return nil, errors.Join(err)
	}
	*at = p
	return p, nil
}

// watchStep sends a request to a stream of each store and compares the answers.
func (r *runner) watchStep(node int, request *pb.WatchRequest) (*difference, error) {
	which, create := node%streamsEach, request.GetCreateRequest()
	compacted := create.GetStartRevision() > 0 && create.GetStartRevision() < r.compacted
	if create != nil {
		switch {
		case compacted:
			which, create.WatchId = compactedStream, 0
		case create.StartRevision > r.now:
			which = futureStream
		default:
			which = presentStream
		}
	}
	p, err := r.pair(which, node)
	if err != nil {
		return nil, err
	}
	if err := r.catchUp(step{node: p.node, request: request}); err != nil {
		return nil, err
	}
	if cancel := request.GetCancelRequest(); cancel != nil {
		return r.cancelWatch(p, request, cancel.WatchId)
	}
	if create == nil || p.spent[create.WatchId] && create.WatchId != 0 {
		return nil, nil
	}
	etcd, d := p.exchange(request)
	if d != nil || etcd.Canceled {
		return d, nil
	}
	if compacted {
		p.spent[etcd.WatchId] = true
		_, d := p.control()
		return d, nil
	}
	from := create.StartRevision
	if from == 0 {
		from = etcd.Header.Revision + 1
	}
	p.open[etcd.WatchId] = &opened{create: create, from: from}
	if create.StartRevision == 0 || create.StartRevision > r.now {
		return nil, nil
	}
	// A watch from the past that compaction overtakes may hear of it or not: it is to have caught up.
	return r.barrier()
}

func (r *runner) cancelWatch(p *pair, request *pb.WatchRequest, id int64) (*difference, error) {
	if p.spent[id] {
		return nil, nil
	}
	if p.open[id] == nil {
		// Neither answers; an answer would come before the next one.
		return nil, errors.Join(p.etcd.stream.Send(request), p.ours.stream.Send(request))
	}
	if d, err := r.barrier(); d != nil || err != nil {
		return d, err
	}
	// The barrier has written, by way of another endpoint maybe.
	if err := r.catchUp(step{node: p.node, request: request}); err != nil {
		return nil, err
	}
	delete(p.open, id)
	_, d := p.exchange(request)
	return d, nil
}

// exchange sends a request on both streams and compares the answers.
func (p *pair) exchange(request *pb.WatchRequest) (*pb.WatchResponse, *difference) {
	// A stream that broke tells why where it is read.
	_, _ = p.etcd.stream.Send(request), p.ours.stream.Send(request)
	return p.control()
}

// control compares the next answer, or end of a watch, on both streams.
func (p *pair) control() (*pb.WatchResponse, *difference) {
	etcd, etcdErr := p.etcd.controlled(p.controls)
	ours, oursErr := p.ours.controlled(p.controls)
	p.controls++
	a, b := answer{body: etcd}, answer{body: ours}
	if etcdErr != nil {
		a = result(nil, etcdErr)
	}
	if oursErr != nil {
		b = result(nil, oursErr)
	}
	if what := compare(a, b); len(what) > 0 || etcdErr != nil {
		return etcd, &difference{what: append(what, "on a stream of watches"), etcd: a.String(), ours: b.String()}
	}
	return etcd, nil
}

// progress waits until both streams have told everything up to a revision.
func (p *pair) progress(which int, revision int64) *difference {
	if which != presentStream || len(p.open) == 0 {
		return nil
	}
	etcd, ours := p.etcd.progress(revision), p.ours.progress(revision)
	if etcd == nil && ours == nil {
		return nil
	}
	return &difference{what: []string{"asked for progress up to " + fmt.Sprint(revision)}, etcd: fmt.Sprint(etcd), ours: fmt.Sprint(ours)}
}

// barrier puts a key and waits until everybody who watches was told of all that came before it and of it, and compares what they were told.
func (r *runner) barrier() (*difference, error) {
	if d := r.compared(step{}, &pb.PutRequest{Key: []byte("~"), Value: []byte("~")}); d != nil {
		return d, nil
	}
	etcd, ours := r.recorders[0].toldUntil(0, r.now), r.recorders[1].toldUntil(0, r.now)
	if d := watchedUnequal("every key", etcd, ours); d != nil {
		return d, nil
	}
	for _, e := range etcd {
		if e.Kv.ModRevision > int64(r.recorded) {
			r.history = append(r.history, e)
		}
	}
	r.recorded = int(r.now)
	for i, p := range r.streams {
		if p == nil {
			continue
		}
		if d := p.progress(i, r.now); d != nil {
			return d, nil
		}
		for id, o := range p.open {
			n := wanted(r.history, o.create, o.from)
			if d := watchedUnequal(fmt.Sprintf("watch %d of stream %d, {%s} from %d", id, i, show(o.create), o.from), p.etcd.told(id, n), p.ours.told(id, n)); d != nil {
				return d, nil
			}
		}
		if torn := p.ours.tears(); len(torn) > 0 {
			return &difference{what: torn, etcd: "tells of one revision in one answer", ours: "does not"}, nil
		}
		if etcd, ours := p.etcd.controls(), p.ours.controls(); etcd != p.controls || ours != p.controls {
			return &difference{
				what: []string{"watches ended, or requests were answered, that were not to be"},
				etcd: fmt.Sprint(etcd, " answers"), ours: fmt.Sprint(ours, " answers"),
			}, nil
		}
	}
	return nil, nil
}

func watchedUnequal(who string, etcd, ours []*mvccpb.Event) *difference {
	what := unequalEvents(etcd, ours)
	if len(what) == 0 {
		return nil
	}
	// The events from the first that differs on say enough.
	first := 0
	for first < min(len(etcd), len(ours)) && len(unequalEvents(etcd[first:first+1], ours[first:first+1])) == 0 {
		first++
	}
	return &difference{what: append([]string{"told to " + who}, what...), etcd: showEvents(etcd, first), ours: showEvents(ours, first)}
}

// eventsShown is how many events a difference shows.
const eventsShown = 6

func showEvents(events []*mvccpb.Event, first int) string {
	return fmt.Sprintf("%d events, from number %d on: %s", len(events), first, show(&pb.WatchResponse{Events: events[first:min(len(events), first+eventsShown)]}))
}

// readHistory compares what both stores tell of the whole time since the last compaction.
func (r *runner) readHistory() (*difference, error) {
	var told [2][]*mvccpb.Event
	for i, s := range []*store{r.etcd, r.ours} {
		w, err := r.record(s, max(r.compacted, 1))
		if err != nil {
			return nil, err
		}
		told[i] = w.toldUntil(0, r.now)
		w.close()
	}
	return watchedUnequal("a new watch of the whole history", told[0], told[1]), nil
}
