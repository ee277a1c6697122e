package main

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// span is a range of keys.
type span struct{ key, end string }

// group is the watches of one range.
type group struct{ ofStream map[*stream][]int64 }

// audience is all watches.
type audience struct {
	eventsMax int
	mu        sync.Mutex
	groups    map[span]*group
	revision  int64
}

// news is what some watches of a stream are to be sent.
type news struct {
	ids      []int64
	group    *group
	revision int64
	events   []byte
	count    int
}

// puts implements KV, of which there is Put alone.
type puts struct {
	pb.UnimplementedKVServer
	*audience
}

// Put tells the watches of the key's range. It keeps nothing.
func (p *puts) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revision++
	kv := &mvccpb.KeyValue{Key: r.Key, Value: r.Value, CreateRevision: p.revision, ModRevision: p.revision, Version: 1}
	response, err := proto.Marshal(&pb.WatchResponse{Events: []*mvccpb.Event{{Kv: kv}}}) // the events' field and nothing else
	if err != nil {
		return nil, err
	}
	key := string(r.Key)
	for of, g := range p.groups {
		if key < of.key || key >= of.end {
			continue
		}
		for s, ids := range g.ofStream {
			s.tell(news{ids: ids, group: g, revision: p.revision, events: response, count: 1}, p.eventsMax)
		}
	}
	return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: p.revision}}, nil
}

// streams implements Watch.
type streams struct {
	pb.UnimplementedWatchServer
	*audience
}

// stream is a client's. What waits for it has no bound: a run of the benchmark has one.
type stream struct {
	wake    chan struct{}
	mu      sync.Mutex
	waiting []news
}

// tell queues news, together with the last that waits for the same watches if both fit one message.
func (s *stream) tell(n news, eventsMax int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.waiting) - 1; last >= 0 && s.waiting[last].group == n.group && s.waiting[last].count < eventsMax {
		w := &s.waiting[last]
		w.events = append(w.events[:len(w.events):len(w.events)], n.events...)
		w.count, w.revision = w.count+n.count, n.revision
		return
	}
	s.waiting = append(s.waiting, n)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) take() []news {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waiting
	s.waiting = nil
	return all
}

// Watch takes the watches that a client creates, until it has gone. Watches begin with the next put, and none ends before its stream.
func (w *streams) Watch(client grpc.BidiStreamingServer[pb.WatchRequest, pb.WatchResponse]) error {
	s := &stream{wake: make(chan struct{}, 1)}
	created, failed := make(chan *pb.WatchCreateRequest), make(chan error, 1)
	// It ends with the stream, as Recv does.
	go func() {
		for {
			request, err := client.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case created <- request.GetCreateRequest():
			case <-client.Context().Done():
				return
			}
		}
	}()
	for next := int64(0); ; {
		select {
		case err := <-failed:
			return err
		case request := <-created:
			if err := client.Send(&pb.WatchResponse{Header: &pb.ResponseHeader{}, WatchId: next, Created: true}); err != nil {
				return err
			}
			w.join(span{string(request.GetKey()), string(request.GetRangeEnd())}, s, next)
			next++
		case <-s.wake:
			if err := send(client, s.take()); err != nil {
				return err
			}
		}
	}
}

func (a *audience) join(of span, s *stream, id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.groups[of]
	if g == nil {
		g = &group{ofStream: make(map[*stream][]int64)}
		a.groups[of] = g
	}
	g.ofStream[s] = append(g.ofStream[s], id)
}

// send sends each watch its news. The head is as long as that of a real answer.
func send(client grpc.ServerStream, all []news) error {
	for _, n := range all {
		for _, id := range n.ids {
			head := make([]byte, 0, 64)
			head = protowire.AppendTag(head, 1, protowire.BytesType)
			head = append(head, 0)
			for field, value := range []uint64{1<<63 + 1, 1<<63 + 2, uint64(n.revision), 2} { // two ids, as hashes, revision and term
				head = protowire.AppendTag(head, protowire.Number(field+1), protowire.VarintType)
				head = protowire.AppendVarint(head, value)
			}
			head[1] = byte(len(head) - 2)
			head = protowire.AppendTag(head, 2, protowire.VarintType)
			head = protowire.AppendVarint(head, uint64(id))
			if err := client.SendMsg(&encoded{head, n.events}); err != nil {
				return err
			}
		}
	}
	return nil
}
