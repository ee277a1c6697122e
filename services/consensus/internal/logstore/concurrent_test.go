package logstore

import (
	"errors"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
)

// TestReadersBesideWriters reads as raft does while one goroutine appends and replaces, and another truncates: what a reader
// finds between the indexes that it was told is either whole and right, or was truncated or replaced meanwhile.
func TestReadersBesideWriters(t *testing.T) {
	const count = 3000
	s := openAt(t, vfs.NewMem(), "log")
	require.NoError(t, s.Append(run(1, 10, 1), nil, true))
	appended := make(chan struct{})

	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(appended)
		for i := uint64(11); i <= count; i++ {
			from := i
			if i%5 == 0 {
				from -= 3
			}
			if err := s.Append(run(from, i, 1), hardState(1, 1, i-1), i%16 == 0); err != nil {
				t.Errorf("append %d: %v", i, err)
				return
			}
		}
	})
	wg.Go(func() {
		for running := true; running; {
			select {
			case <-appended:
				running = false
			default:
			}
			last, err := s.LastIndex()
			if err == nil && last > 20 {
				err = s.Truncate(last - 20)
			}
			if err != nil {
				t.Errorf("truncate: %v", err)
				return
			}
			if last%8 == 0 {
				forgetTail(s)
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			for running := true; running; {
				select {
				case <-appended:
					running = false
				default:
				}
				if !readOnce(t, s) {
					return
				}
			}
		})
	}
	wg.Wait()
	last, err := s.LastIndex()
	require.NoError(t, err)
	require.Equal(t, uint64(count), last)
}

func readOnce(t *testing.T, s *Store) bool {
	first, err1 := s.FirstIndex()
	last, err2 := s.LastIndex()
	if err1 != nil || err2 != nil {
		t.Errorf("bounds: %v, %v", err1, err2)
		return false
	}
	entries, err := s.Entries(first, last+1, noLimit)
	if overtaken(err) {
		return true
	}
	if err != nil || uint64(len(entries)) != last-first+1 {
		t.Errorf("entries %d to %d: %d, %v", first, last, len(entries), err)
		return false
	}
	for i, e := range entries {
		if e.GetIndex() != first+uint64(i) {
			t.Errorf("entry %d where %d belongs", e.GetIndex(), first+uint64(i))
			return false
		}
	}
	if term, err := s.Term(last); !overtaken(err) && (err != nil || term != 1) {
		t.Errorf("term of %d: %d, %v", last, term, err)
		return false
	}
	return true
}

// overtaken tells what a reader is told whose entries went meanwhile.
func overtaken(err error) bool {
	return errors.Is(err, raft.ErrCompacted) || errors.Is(err, raft.ErrUnavailable)
}
