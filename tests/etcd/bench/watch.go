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
	// watchWriters put what is watched, on one connection.
	watchWriters = 16
)

// watch puts keys of so many ranges in turn, which 1,000 watchers share among them, and measures until the last event is there.
// The fewer ranges, the more events a put has: with one the put itself is a thousandth of what is measured.
func watch(ranges, total int) func(*trial) error {
	return func(t *trial) error { return watchPuts(t, ranges, t.times(total)) }
}

// watchNone is watch without watchers: what watch takes beyond it is what events take.
func watchNone(t *trial) error {
	l, err := newLoad(t, watchStreams+1)
	if err != nil {
		return err
	}
	defer l.close()
	puts := t.times(10_000)
	var took []time.Duration
	err = t.measure(puts*watchStreams, func() error {
		took, err = l.run(puts, watchWriters, func(op, _ int) error { return l.putWatched(op%watchersOfStream, op) })
		return err
	})
	t.latencies(took)
	return err
}

func watchPuts(t *trial, ranges, puts int) error {
	l, streams, err := audience(t, ranges)
	if err != nil {
		return err
	}
	defer l.close()
	var reading errgroup.Group
	err = t.measure(streamEvents(puts, ranges)*watchStreams, func() error {
		for _, s := range streams {
			reading.Go(func() error { return s.read(streamEvents(puts, ranges)) })
		}
		_, err := l.run(puts, watchWriters, func(op, _ int) error {
			return l.putWatched(op%ranges, op)
		})
		if err != nil {
			return err
		}
		return reading.Wait()
	})
	t.latencies(took(streams))
	return err
}

// watchLone has one client that puts, and waits for what it has put on all streams, before it puts again, as a controller does that goes by
// its own events.
func watchLone(t *trial) error {
	const ranges = watchersOfStream
	l, streams, err := audience(t, ranges)
	if err != nil {
		return err
	}
	defer l.close()
	puts := t.times(3_000)
	err = t.measure(puts, func() error {
		for op := range puts {
			if err := l.putWatched(op%ranges, op); err != nil {
				return err
			}
			for _, s := range streams {
				if err := s.read(1); err != nil {
					return err
				}
			}
		}
		return nil
	})
	t.latencies(took(streams))
	return err
}

// audience is a load whose streams have their watchers, on a connection each, and one connection more for puts.
func audience(t *trial, ranges int) (*load, []*watchStream, error) {
	l, err := newLoad(t, watchStreams+1)
	if err != nil {
		return nil, nil, err
	}
	var streams []*watchStream
	for i := range watchStreams {
		s, err := l.watchAll(i, ranges)
		if err != nil {
			l.close()
			return nil, nil, err
		}
		streams = append(streams, s)
	}
	return l, streams, nil
}

// putWatched puts a key that watchers of a range see, with the time in its value.
func (l *load) putWatched(group, i int) error {
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 256), uint64(time.Now().UnixNano()))
	_, err := l.kv(watchStreams).Put(l.ctx, &pb.PutRequest{Key: watchKey(group, i), Value: value[:256]})
	return err
}

// took is how long the events of all streams were under way.
func took(streams []*watchStream) (all []time.Duration) {
	for _, s := range streams {
		all = append(all, s.took...)
	}
	return all
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
