package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// memorySampled is how often the anonymous part of a process's memory is looked at: the kernel keeps no peak of it.
	memorySampled = 20 * time.Millisecond
	// memoryLater is how long after the load memory is looked at once more: what is held on to without need stands there.
	memoryLater = time.Minute
	// memoryClients are those of the loads, on a connection each.
	memoryClients = 100
	// savedKeys of savedValueBytes are what a snapshot holds and a learner takes over: 350 MB.
	savedKeys, savedValueBytes = 70_000, 5_000
)

// The cases of memory run with default flags and without a limit in the environment, as a server does that nobody tuned.
var memoryCases = []benchCase{
	{name: "memory-large", title: "memory: put 60,000 keys of 5 KB, 100 clients", unit: "put/s", long: true, run: memoryOfPuts(60_000, 5_000)},
	{name: "memory-small", title: "memory: put 60,000 keys of 16 bytes, 100 clients", unit: "put/s", long: true, run: memoryOfPuts(60_000, 16)},
	{name: "memory-million", title: "memory: put 1,000,000 keys of 256 bytes, 100 clients", unit: "put/s", long: true, run: memoryOfPuts(1_000_000, 256)},
	{name: "memory-snapshot", title: "memory: snapshot save of 350 MB, after a restart", unit: "MB/s", long: true, run: memoryOfSnapshot},
	{name: "memory-learner", title: "memory: a learner that takes over 350 MB", unit: "s", lowerIsBetter: true, long: true, run: memoryOfLearner},
}

// memory is the anonymous memory of one process (RssAnon, without mapped files), in bytes; VmHWM is peak's.
type memory struct{ anonPeak, anonLater int64 }

func (m memory) String() string {
	if m == (memory{}) {
		return ""
	}
	return fmt.Sprintf("RssAnon %d MB, %d a minute later", m.anonPeak>>20, m.anonLater>>20)
}

// remember runs load while it samples the memory of the process, and looks once more a minute later.
func (t *trial) remember(server *harness.Server, load func() error) error {
	ctx, cancel := context.WithCancel(t.ctx)
	sampled := make(chan error, 1)
	go func() { sampled <- t.sample(ctx, server) }()
	err := load()
	cancel()
	if err = errors.Join(err, <-sampled); err != nil {
		return err
	}
	select {
	case <-time.After(memoryLater):
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
	t.result.memory.anonLater, err = anonymous(server.PID())
	return err
}

// sample notes the largest anonymous memory that it sees until ctx ends.
func (t *trial) sample(ctx context.Context, server *harness.Server) error {
	ticker := time.NewTicker(memorySampled)
	defer ticker.Stop()
	for {
		now, err := anonymous(server.PID())
		if err != nil {
			return err
		}
		t.result.memory.anonPeak = max(t.result.memory.anonPeak, now)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// anonymous is the anonymous resident memory of a process, in bytes.
func anonymous(pid int) (int64, error) { return statusBytes(pid, "RssAnon") }

// statusBytes is a size that the kernel tells of a process.
func statusBytes(pid int, name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, name+": %d kB", &kilobytes); err == nil {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("process %d does not tell its %s", pid, name)
}

func memoryOfPuts(keys, valueBytes int) func(*trial) error {
	return func(t *trial) error {
		keys := t.times(keys)
		return t.remember(t.only(), func() error {
			return t.measure(keys, func() error {
				took, err := t.putEach(keys, valueBytes)
				t.latencies(took)
				return err
			})
		})
	}
}

// putEach puts every key with a request of its own, and returns how long each took.
func (t *trial) putEach(keys, valueBytes int) ([]time.Duration, error) {
	l, err := newLoad(t, memoryClients)
	if err != nil {
		return nil, err
	}
	defer l.close()
	value := bytes.Repeat([]byte("v"), valueBytes)
	return l.run(keys, memoryClients, func(op, client int) error {
		_, err := l.kv(client).Put(l.ctx, &pb.PutRequest{Key: []byte(fillKey("key", op)), Value: value})
		return err
	})
}

// memoryOfSnapshot starts the server anew before it saves, so that the peak is not that of the load.
func memoryOfSnapshot(t *trial) error {
	if _, err := t.putEach(t.times(savedKeys), savedValueBytes); err != nil {
		return err
	}
	if _, err := t.only().Stop(syscall.SIGTERM); err != nil {
		return err
	}
	if err := t.only().Start(t.ctx); err != nil {
		return err
	}
	client, err := harness.Dial(t.only().Endpoint())
	if err != nil {
		return err
	}
	defer client.Close()
	begin := time.Now()
	return t.remember(t.only(), func() error {
		snapshot, err := client.Snapshot(t.ctx)
		if err != nil {
			return err
		}
		defer snapshot.Close()
		read, err := io.Copy(io.Discard, snapshot)
		t.result.value = float64(read) / (1 << 20) / time.Since(begin).Seconds()
		return err
	})
}

// memoryOfLearner measures the member that joins, from its start until it serves what the other has.
func memoryOfLearner(t *trial) error {
	keys := t.times(savedKeys)
	if _, err := t.putEach(keys, savedValueBytes); err != nil {
		return err
	}
	client, err := harness.Dial(t.only().Endpoint())
	if err != nil {
		return err
	}
	defer client.Close()
	begin := time.Now()
	learner, err := t.members.Join(t.ctx, client, t.members[0].Binary(), "learner", true)
	if err != nil {
		return err
	}
	t.members = append(t.members, learner)
	t.measured = harness.Cluster{learner}
	return t.remember(learner, func() error {
		if err := t.awaitKeys(learner, keys); err != nil {
			return err
		}
		t.result.value = time.Since(begin).Seconds()
		return nil
	})
}

// awaitKeys waits until the member's status tells the revision of the last key.
func (t *trial) awaitKeys(server *harness.Server, keys int) error {
	client, err := harness.Dial(server.Endpoint())
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		status, err := client.Status(t.ctx, server.Endpoint())
		if err == nil && status.Header.Revision > int64(keys) {
			return nil
		}
		select {
		case <-time.After(memorySampled):
		case <-t.ctx.Done():
			return errors.Join(t.ctx.Err(), err)
		}
	}
}
