package v2

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	stormWriters = 20
	stormWrites  = 500 // of each
)

// Goal: a watcher that asks again for each event, from the index behind the last, sees every write once, in order. Method:
// 20 writers make 10,000 writes while it goes on; the indexes that they were told are those that it saw.
func TestLongPollsInAStormMissNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 writes")
	}
	s, server := own(t)
	first := s.put("began", "value=1").Node.Modified
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: stormWriters}, Timeout: time.Minute}
	var mu sync.Mutex
	written := map[int64]string{}
	var group errgroup.Group
	for writer := range stormWriters {
		group.Go(func() error {
			for i := range stormWrites {
				value := fmt.Sprintf("%d-%d", writer, i)
				a, err := putWith(client, fmt.Sprintf("%s/v2/keys/storm/%d/k%d", server.URL(), writer, i%7), value)
				if err != nil {
					t.Errorf("the watcher waits in vain for the rest of writer %d: %v", writer, err)
					return err
				}
				mu.Lock()
				written[a.Node.Modified] = value
				mu.Unlock()
			}
			return nil
		})
	}
	defer func() { _ = group.Wait() }()
	seen := map[int64]string{}
	next := first + 1
	for len(seen) < stormWriters*stormWrites {
		e := s.wait("storm", fmt.Sprintf("recursive=true&waitIndex=%d", next)).last()
		require.GreaterOrEqual(t, e.Node.Modified, next)
		seen[e.Node.Modified] = e.Node.value()
		next = e.Node.Modified + 1
	}
	require.NoError(t, group.Wait())
	require.Equal(t, written, seen)
}

// putWith puts without a test's help, for other goroutines.
func putWith(client *http.Client, url, value string) (*event, error) {
	r, err := http.NewRequest(http.MethodPut, url+"?value="+value, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	e, err := decode(resp)
	if err == nil && e.ErrorCode != 0 {
		err = fmt.Errorf("%s: error %d, %s", url, e.ErrorCode, e.Cause)
	}
	return e, err
}

// Goal: of concurrent compare-and-swaps, creates and compare-and-deletes exactly one wins. Method: rounds of 16 contenders.
func TestConcurrentComparesHaveOneWinner(t *testing.T) {
	s := open(t)
	for round := range 10 {
		key := fmt.Sprintf("k%d", round)
		for _, form := range []string{"value=1&prevExist=false", "value=2&prevValue=1", "value=3&prevIndex=%d", ""} {
			if form == "value=3&prevIndex=%d" {
				form = fmt.Sprintf(form, s.get(key, "").Node.Modified)
			}
			method := http.MethodPut
			if form == "" {
				method, form = http.MethodDelete, "prevValue=3"
			}
			var won atomic.Int32
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					resp, err := http.DefaultClient.Do(s.request(harness.Context(t), method, key, form))
					if err != nil {
						t.Errorf("%s: %v", form, err)
						return
					}
					resp.Body.Close()
					if resp.StatusCode < 300 {
						won.Add(1)
					}
				})
			}
			group.Wait()
			require.Equal(t, int32(1), won.Load(), form)
		}
	}
}

// Goal: no file becomes a directory, nor the other way round, under somebody's feet. Method: some make a file and some keys
// below it, of the same name, at once; whoever was told of success finds what it made.
func TestFileOrDirectoryIsDecidedOnce(t *testing.T) {
	s := open(t)
	for round := range 20 {
		name := fmt.Sprintf("n%d", round)
		var files, below atomic.Int32
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				path, won := name, &files
				if i%2 == 1 {
					path, won = fmt.Sprintf("%s/x%d", name, i), &below
				}
				resp, err := http.DefaultClient.Do(s.request(harness.Context(t), http.MethodPut, path, "value=1"))
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode < 300 {
					won.Add(1)
				}
			})
		}
		group.Wait()
		a := s.get(name, "")
		require.Equal(t, a.Node.Dir, below.Load() > 0)
		require.Equal(t, !a.Node.Dir, files.Load() > 0)
		require.Equal(t, int32(len(a.Node.Nodes)), below.Load())
	}
}
