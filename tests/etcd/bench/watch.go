package main

import (
	"encoding/binary"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
)

const (
	// watchStreams carry the watchers, so many each, as the caches of a few API servers would.
	watchStreams     = 10
	watchersOfStream = 100
)

// watch puts keys of so many ranges in turn, which 1,000 watchers share among them, and measures until the last event is there.
// The fewer ranges, the more events a put has: with one the put itself is a thousandth of what is measured.
func watch(ranges, total int) func(*trial) error {
	return func(t *trial) error { return watchPuts(t, ranges, t.times(total)) }
}

func watchPuts(t *trial, ranges, puts int) error {
	l, err := newLoad(t, watchStreams+1)
	if err != nil {
		return err
	}
	defer l.close()
	var streams []*watchStream
	for i := range watchStreams {
		s, err := l.watchAll(i, ranges)
		if err != nil {
			return err
		}
		streams = append(streams, s)
	}
	var reading errgroup.Group
	err = t.measure(streamEvents(puts, ranges)*watchStreams, func() error {
		for _, s := range streams {
			reading.Go(func() error { return s.read(streamEvents(puts, ranges)) })
		}
		_, err := l.run(puts, 16, func(op, _ int) error {
			value := binary.BigEndian.AppendUint64(make([]byte, 0, 256), uint64(time.Now().UnixNano()))
			_, err := l.kv(watchStreams).Put(l.ctx, &pb.PutRequest{Key: watchKey(op%ranges, op), Value: value[:256]})
			return err
		})
		if err != nil {
			return err
		}
		return reading.Wait()
	})
	var all []time.Duration
	for _, s := range streams {
		all = append(all, s.took...)
	}
	t.latencies(all)
	return err
}

// streamEvents is how many events a stream gets of so many puts.
func streamEvents(puts, ranges int) (events int) {
	for watcher := range watchersOfStream {
		events += puts / ranges
		if watcher%ranges < puts%ranges {
			events++
		}
	}
	return events
}

func watchKey(group, i int) []byte { return fmt.Appendf(nil, "watched/%03d/%08d", group, i) }

// watchStream is a stream with its watchers.
type watchStream struct {
	pb.Watch_WatchClient
	took []time.Duration
}

// watchAll opens the i-th stream and waits for its watchers.
func (l *load) watchAll(i, ranges int) (*watchStream, error) {
	stream, err := pb.NewWatchClient(l.conns[i]).Watch(l.ctx)
	if err != nil {
		return nil, err
	}
	for watcher := range watchersOfStream {
		group := watcher % ranges
		create := &pb.WatchCreateRequest{Key: fmt.Appendf(nil, "watched/%03d/", group), RangeEnd: fmt.Appendf(nil, "watched/%03d0", group)}
		if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
			return nil, err
		}
		if resp, err := stream.Recv(); err != nil || !resp.Created {
			return nil, fmt.Errorf("watch %d was not created: %v, %w", watcher, resp, err)
		}
	}
	return &watchStream{Watch_WatchClient: stream}, nil
}

// read takes so many events and notes how long each was under way.
func (s *watchStream) read(events int) error {
	for seen := 0; seen < events; {
		resp, err := s.Recv()
		if err != nil {
			return fmt.Errorf("after %d events of %d: %w", seen, events, err)
		}
		now := time.Now().UnixNano()
		for _, event := range resp.Events {
			s.took = append(s.took, time.Duration(now-int64(binary.BigEndian.Uint64(event.Kv.Value))))
		}
		seen += len(resp.Events)
	}
	return nil
}
