// Command differential sends the same seeded, random requests to Quorate and to etcd and compares every answer: code, text, the revision in the
// header and the body, and what every watch tells. It covers all calls of the KV, Watch and Lease services, one member, three members and services
// that run apart, and crashes of Quorate's processes in between. It knows nothing of what is right: etcd does.
//
// A run is a row of episodes, each with new stores, requests of its own and a seed of its own, which the line of a failure names. A failing
// episode is repeated with ever fewer and smaller requests until what is left can be read. What differs on purpose (docs/differences-from-etcd.md)
// is left out; the file documented.go lists it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// stepsEach is how many requests an episode has: enough to meet each other, few enough to shrink.
const stepsEach = 400

func main() {
	seed := flag.Uint64("seed", 0, "seed of the first episode, the next ones count on; 0 takes one from the clock")
	duration := flag.Duration("duration", time.Minute, "how long episodes are begun")
	topology := flag.String("topology", "one,three,apart", "what the episodes run against in turn")
	episodes := flag.Int("episodes", 0, "how many episodes at most, any number if 0")
	server := flag.String("server", "", "binary to test, bin/quorate if empty; services apart are its neighbours")
	shrinking := flag.Duration("shrink", 3*time.Minute, "how long a failing episode is shrunk")
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	if err := fuzz(*seed, *duration, *episodes, strings.Split(*topology, ","), *server, *shrinking); err != nil {
		fmt.Fprintln(os.Stderr, "differential:", err)
		os.Exit(1)
	}
}

// fuzz runs episodes until the time is over, or one fails.
func fuzz(seed uint64, duration time.Duration, episodes int, topologies []string, server string, shrinking time.Duration) error {
	etcd, err := harness.Make("bin/newest/etcd", "bin/newest/etcd")
	if err != nil {
		return err
	}
	if server == "" {
		if server, err = harness.Binary(); err != nil {
			return err
		}
	}
	begin, requests := time.Now(), 0
	done := 0
	for ; time.Since(begin) < duration && (episodes == 0 || done < episodes); done++ {
		e := episode{topology: topologies[done%len(topologies)], etcd: etcd, server: server, steps: generate(seed+uint64(done), stepsEach)}
		again := fmt.Sprintf("make differential SEED=%d TOPOLOGY=%s EPISODES=1", seed+uint64(done), e.topology)
		difference, err := e.run(context.Background())
		if err != nil {
			return fmt.Errorf("%w (%s)", err, again)
		}
		if difference != nil {
			fmt.Printf("\n%s\n\nof %d requests; shrinking them for at most %v\n", difference, len(e.steps), shrinking)
			smallest, last := e.shrink(difference, time.Now().Add(shrinking))
			fmt.Printf("\nthe smallest sequence that differs:\n%s\n%s\n", describe(smallest), last)
			return fmt.Errorf("an answer differs from etcd's (%s)", again)
		}
		requests += len(e.steps)
	}
	fmt.Printf("%d requests in %d episodes of %s were answered as by etcd, in %v (seed %d)\n",
		requests, done, strings.Join(topologies, ", "), time.Since(begin).Round(time.Second), seed)
	return nil
}
