// Package check holds the commands that write a lot and judge how the store bore it. What they write is deleted afterwards.
package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// cleanTimeout is how long deleting, compacting and defragmenting may take each.
const cleanTimeout = 30 * time.Second

// New is the command check with the ones below it.
func New(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check <subcommand>",
		Short: "Try how much the cluster can take",
		Long:  "Try how much the cluster can take: it is written to a lot, and what was written is deleted afterwards.",
	}
	cmd.AddCommand(newPerf(s), newDatascale(s))
	return cmd
}

// flags are what both checks take.
type flags struct {
	load    string
	prefix  string
	compact bool
	defrag  bool
}

func (f *flags) register(cmd *cobra.Command, prefix string) {
	set := cmd.Flags()
	set.StringVar(&f.load, "load", "s", "how much: s (small), m (medium), l (large) or xl (xLarge), in clients and requests")
	set.StringVar(&f.prefix, "prefix", prefix, "what the keys begin with that are written; there may be none yet")
	set.BoolVar(&f.compact, "auto-compact", false, "compact the history of what was written afterwards")
	set.BoolVar(&f.defrag, "auto-defrag", false, "defragment the members at the endpoints afterwards")
	if err := cmd.RegisterFlagCompletionFunc("load", cobra.FixedCompletions([]string{"small", "medium", "large", "xLarge"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not there: an error in this program
	}
}

// sizes are the names of loads, short and long, with their place in a table of loads.
var sizes = map[string]int{"s": 0, "small": 0, "m": 1, "medium": 1, "l": 2, "large": 2, "xl": 3, "xLarge": 3}

// size is the place of the load in a table.
func (f *flags) size() (int, error) {
	size, known := sizes[f.load]
	if !known {
		return 0, exit.Withf(exit.Feature, "unknown load option %v: --load takes s, m, l or xl", f.load)
	}
	return size, nil
}

// clients connects so many times, and sees to it that nobody has keys where the check writes.
func (f *flags) clients(ctx context.Context, call *shell.Call, n int) ([]*clientv3.Client, error) {
	config, err := call.Config()
	if err != nil {
		return nil, err
	}
	clients := make([]*clientv3.Client, n)
	for i := range clients {
		if clients[i], err = call.Dial(config); err != nil {
			return nil, err
		}
	}
	there, err := clients[0].Get(ctx, f.prefix, clientv3.WithPrefix(), clientv3.WithLimit(1))
	if err != nil {
		return nil, exit.With(exit.Failure, call.Explain(err))
	}
	if len(there.Kvs) > 0 {
		return nil, exit.Withf(exit.Input, "prefix %q has keys. Delete with '%s del --prefix %s' first", f.prefix, call.Shell.Name, f.prefix)
	}
	return clients, nil
}

// clean deletes what was written, and compacts and defragments if that was asked for.
func (f *flags) clean(call *shell.Call, client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	deleted, err := client.Delete(ctx, f.prefix, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("cleanup failed during key deletion: %w", err)
	}
	if f.compact {
		revision := deleted.Header.GetRevision()
		call.Printf("Compacting with revision %d\n", revision)
		ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
		defer cancel()
		if _, err := client.Compact(ctx, revision, clientv3.WithCompactPhysical()); err != nil {
			return err
		}
		call.Printf("Compacted with revision %d\n", revision)
	}
	if !f.defrag {
		return nil
	}
	for _, endpoint := range client.Endpoints() {
		call.Printf("Defragmenting %q\n", endpoint)
		ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
		defer cancel()
		if _, err := client.Defragment(ctx, endpoint); err != nil {
			return err
		}
		call.Printf("Defragmented %q\n", endpoint)
	}
	return nil
}

// measured is what came of many requests.
type measured struct {
	took   []time.Duration // of those that succeeded
	failed map[string]int  // how often each error came
	total  time.Duration   // from the first to the last
}

// put writes random keys of so many bytes below the prefix, over all clients, each of which has one request on its way. It ends when
// the channel is closed, from which it takes one for each request.
func (f *flags) put(clients []*clientv3.Client, requests <-chan struct{}, keyBytes, valueBytes int, done func()) measured {
	value := string(make([]byte, valueBytes))
	var mu sync.Mutex
	all := measured{failed: map[string]int{}}
	began := time.Now()
	var writing sync.WaitGroup
	for _, client := range clients {
		writing.Go(func() {
			for range requests {
				key := make([]byte, keyBytes)
				copy(key, fmt.Sprintf("%016x", rand.Int64()))
				sent := time.Now()
				_, err := client.Put(client.Ctx(), f.prefix+string(key), value)
				took := time.Since(sent)
				mu.Lock()
				if err != nil {
					all.failed[err.Error()]++
				} else {
					all.took = append(all.took, took)
				}
				mu.Unlock()
				done()
			}
		})
	}
	writing.Wait()
	all.total = time.Since(began)
	return all
}

// complain prints which errors came, and says whether any did.
func (m measured) complain(call *shell.Call) bool {
	if len(m.failed) == 0 {
		return false
	}
	call.Println("FAIL: too many errors")
	var lines []string
	for text, times := range m.failed {
		lines = append(lines, fmt.Sprintf("FAIL: ERROR(%s) -> %d\n", text, times))
	}
	slices.Sort(lines)
	for _, line := range lines {
		call.Printf("%s", line)
	}
	return true
}
