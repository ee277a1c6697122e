package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

const (
	// watchesOfStream is how many watchers share a stream, and streamsOfConnection how many streams a connection.
	watchesOfStream, streamsOfConnection = 50, 20
	// deliveredWithin bounds the wait for the watches, and for the last event.
	deliveredWithin = 5 * time.Minute
)

// What an audience says when its watches are created, and when it has heard everything.
const (
	saysListening = "listening"
	saysHeard     = "heard"
)

// audience is the watchers, as a process of its own.
type audience struct {
	cmd   *exec.Cmd
	lines chan string // what it says; closed when it has ended
}

// startAudience starts the watchers of a scenario and waits until every watch is created.
func startAudience(ctx context.Context, endpoint string, c scenario) (*audience, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append(append([]string{}, lowPriority...), self, "-audience", endpoint, "-watchers", strconv.Itoa(c.watchers),
		"-audience-hot="+strconv.FormatBool(c.hot), "-audience-events", strconv.Itoa(c.puts*c.reach))
	a := &audience{cmd: exec.Command("nice", args...), lines: make(chan string, 4)}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	a.cmd.Stderr = os.Stderr
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(a.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			a.lines <- lines.Text()
		}
		_ = a.cmd.Wait() // it was stopped, or has said why it ended
	}()
	if err := a.says(ctx, saysListening); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// await waits until the audience has heard everything.
func (a *audience) await(ctx context.Context) error { return a.says(ctx, saysHeard) }

func (a *audience) says(ctx context.Context, want string) error {
	select {
	case line, ok := <-a.lines:
		switch {
		case !ok:
			return errors.New("the watchers ended")
		case line != want:
			return fmt.Errorf("the watchers say %q, not %q", line, want)
		}
		return nil
	case <-time.After(deliveredWithin):
		return fmt.Errorf("the watchers do not say %q", want)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *audience) stop() {
	_ = a.cmd.Process.Kill() // it may have ended
	for range a.lines {
	}
}

// listeners is what the process of an audience does.
type listeners struct {
	endpoint string
	watchers int
	hot      bool
	events   int64
	heard    atomic.Int64
	created  atomic.Int64
}

// listen watches until ctx ends, and says so when all watches are created and when all events have come. It fails if
// there are more.
func (l *listeners) listen(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var conn *grpc.ClientConn
	for first, streams := 0, 0; first < l.watchers; first, streams = first+watchesOfStream, streams+1 {
		if streams%streamsOfConnection == 0 {
			var err error
			if conn, err = dial(l.endpoint); err != nil {
				return err
			}
			defer conn.Close()
		}
		on := conn
		group.Go(func() error { return l.stream(ctx, on, first) })
	}
	return group.Wait()
}

// stream creates the watches of one stream and counts what comes.
func (l *listeners) stream(ctx context.Context, conn *grpc.ClientConn, first int) error {
	stream, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		return err
	}
	for i := first; i < min(first+watchesOfStream, l.watchers); i++ {
		request := &pb.WatchCreateRequest{Key: []byte(ownKey(i))}
		if l.hot {
			request = &pb.WatchCreateRequest{Key: []byte(hotPrefix), RangeEnd: []byte("hot0")}
		}
		err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}})
		if err != nil {
			return err
		}
	}
	for {
		resp, err := stream.Recv()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case resp.Canceled:
			return fmt.Errorf("watch canceled: %s", resp.CancelReason)
		case resp.Created:
			if l.created.Add(1) == int64(l.watchers) {
				fmt.Println(saysListening)
			}
			continue
		}
		switch heard := l.heard.Add(int64(len(resp.Events))); {
		case heard > l.events:
			return fmt.Errorf("%d events came, not %d", heard, l.events)
		case heard == l.events:
			fmt.Println(saysHeard)
		}
	}
}
