package main

import (
	"encoding/binary"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
)

const (
	watchRanges     = 100
	watchersOfRange = 10
	// watchStreams carry the watchers, a hundred each, as the caches of a few API servers would.
	watchStreams = 10
)

// watch puts keys of 100 ranges, each watched by 10 watchers, and measures until the last event is there.
func watch(t *trial) error {
	l, err := newLoad(t, watchStreams+1)
	if err != nil {
		return err
	}
	defer l.close()
	puts := t.times(10_000)
	var streams []*watchStream
	for i := range watchStreams {
		s, err := l.watchAll(i)
		if err != nil {
			return err
		}
		streams = append(streams, s)
	}
	var reading errgroup.Group
	err = t.measure(puts*watchersOfRange, func() error {
		for _, s := range streams {
			reading.Go(func() error { return s.read(puts) })
		}
		_, err := l.run(puts, 16, func(op, _ int) error {
			value := binary.BigEndian.AppendUint64(make([]byte, 0, 256), uint64(time.Now().UnixNano()))
			_, err := l.kv(watchStreams).Put(l.ctx, &pb.PutRequest{Key: watchKey(op%watchRanges, op), Value: value[:256]})
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

func watchKey(group, i int) []byte { return fmt.Appendf(nil, "watched/%03d/%08d", group, i) }

// watchStream is a stream with one watcher of each range.
type watchStream struct {
	pb.Watch_WatchClient
	took []time.Duration
}

// watchAll opens the i-th stream and waits for its watchers.
func (l *load) watchAll(i int) (*watchStream, error) {
	stream, err := pb.NewWatchClient(l.conns[i]).Watch(l.ctx)
	if err != nil {
		return nil, err
	}
	for group := range watchRanges {
		create := &pb.WatchCreateRequest{Key: fmt.Appendf(nil, "watched/%03d/", group), RangeEnd: fmt.Appendf(nil, "watched/%03d0", group)}
		if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
			return nil, err
		}
		if resp, err := stream.Recv(); err != nil || !resp.Created {
			return nil, fmt.Errorf("watch %d was not created: %v, %w", group, resp, err)
		}
	}
	return &watchStream{Watch_WatchClient: stream}, nil
}

// read takes the events of all puts and notes how long each was under way.
func (s *watchStream) read(puts int) error {
	for seen := 0; seen < puts; {
		resp, err := s.Recv()
		if err != nil {
			return fmt.Errorf("after %d events of %d: %w", seen, puts, err)
		}
		now := time.Now().UnixNano()
		for _, event := range resp.Events {
			s.took = append(s.took, time.Duration(now-int64(binary.BigEndian.Uint64(event.Kv.Value))))
		}
		seen += len(resp.Events)
	}
	return nil
}
