package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
)

// etcd has no v2 any more, so that these cases compare our v2 with our v3, through the same binary: the first column is v3.

const (
	v2Clients = 100
	v2Waiters = 1000
	// v2Wakes is how often all waiters are woken.
	v2Wakes = 20
)

var v2Value = strings.Repeat("v", 256)

// v3Puts and v2Puts put keys of one level, each client one after the other.
func v3Puts(t *trial) error {
	l, err := newLoad(t, v2Clients)
	if err != nil {
		return err
	}
	defer l.close()
	ops := t.times(40_000)
	return t.measure(ops, func() error {
		took, err := l.run(ops, v2Clients, func(op, client int) error {
			_, err := l.kv(client).Put(l.ctx, &pb.PutRequest{Key: fmt.Appendf(nil, "/bench/%d", op), Value: []byte(v2Value)})
			return err
		})
		t.latencies(took)
		return err
	})
}

func v2Puts(t *trial) error {
	return v2Calls(t, t.times(40_000), func(c *v2Conn, op int) error {
		return c.call("PUT", fmt.Sprintf("/v2/keys/bench/%d", op), "value="+v2Value)
	})
}

// v3Gets and v2Gets read one of a thousand keys, linearizably.
func v3Gets(t *trial) error {
	l, err := newLoad(t, v2Clients)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.fill("/bench", 1000, len(v2Value)); err != nil {
		return err
	}
	ops := t.times(80_000)
	return t.measure(ops, func() error {
		took, err := l.run(ops, v2Clients, func(op, client int) error {
			_, err := l.kv(client).Range(l.ctx, &pb.RangeRequest{Key: []byte(fillKey("/bench", op%1000))})
			return err
		})
		t.latencies(took)
		return err
	})
}

func v2Gets(t *trial) error {
	l, err := newLoad(t, 1)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.fill("/bench", 1000, len(v2Value)); err != nil {
		return err
	}
	return v2Calls(t, t.times(80_000), func(c *v2Conn, op int) error {
		return c.call("GET", "/v2/keys"+fillKey("/bench", op%1000)+"?quorum=true", "")
	})
}

// v2Calls has clients make calls on a connection each.
func v2Calls(t *trial, ops int, call func(c *v2Conn, op int) error) error {
	var conns []*v2Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range v2Clients {
		c, err := dialV2(t)
		if err != nil {
			return err
		}
		conns = append(conns, c)
	}
	l := &load{ctx: t.ctx}
	return t.measure(ops, func() error {
		took, err := l.run(ops, v2Clients, func(op, client int) error { return call(conns[client], op) })
		t.latencies(took)
		return err
	})
}

// v3Wakes has a thousand watchers of one key woken by each of a few puts, v2Wakes a thousand long polls: what is measured is
// how long each is in getting the event.
func v3WakesAll(t *trial) error {
	l, err := newLoad(t, v2Clients+1)
	if err != nil {
		return err
	}
	defer l.close()
	var streams []pb.Watch_WatchClient
	for i := range v2Waiters {
		stream, err := pb.NewWatchClient(l.conns[i%v2Clients]).Watch(l.ctx)
		if err != nil {
			return err
		}
		create := &pb.WatchCreateRequest{Key: []byte("/bench/woken")}
		if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		streams = append(streams, stream)
	}
	return wakes(t, l, func(i int) (func() error, error) {
		return func() error {
			_, err := streams[i].Recv()
			return err
		}, nil
	})
}

func v2WakesAll(t *trial) error {
	l, err := newLoad(t, v2Clients+1)
	if err != nil {
		return err
	}
	defer l.close()
	conns := make([]*v2Conn, v2Waiters)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := range conns {
		if conns[i], err = dialV2(t); err != nil {
			return err
		}
	}
	return wakes(t, l, func(i int) (func() error, error) {
		c := conns[i]
		if err := c.send("GET", "/v2/keys/bench/woken?wait=true", ""); err != nil {
			return nil, err
		}
		length, err := c.head()
		return func() error { return c.body(length) }, err
	})
}

// wakes arms all waiters, puts, and notes when each of them has the event; and again.
func wakes(t *trial, l *load, arm func(i int) (wait func() error, err error)) error {
	rounds := t.times(v2Wakes)
	var mu sync.Mutex
	var took []time.Duration
	err := t.measure(rounds*v2Waiters, func() error {
		for range rounds {
			waits := make([]func() error, v2Waiters)
			for i := range waits {
				var err error
				if waits[i], err = arm(i); err != nil {
					return err
				}
			}
			begin := time.Now()
			var group errgroup.Group
			for _, wait := range waits {
				group.Go(func() error {
					err := wait()
					mu.Lock()
					defer mu.Unlock()
					took = append(took, time.Since(begin))
					return err
				})
			}
			if _, err := l.kv(v2Clients).Put(l.ctx, &pb.PutRequest{Key: []byte("/bench/woken"), Value: []byte(v2Value)}); err != nil {
				return err
			}
			if err := group.Wait(); err != nil {
				return err
			}
		}
		return nil
	})
	t.latencies(took)
	return err
}

// v2Conn is one connection of HTTP/1.1, as lean as the client of the other side, so that the server is what is measured.
type v2Conn struct {
	net.Conn
	in  *bufio.Reader
	out []byte
}

func dialV2(t *trial) (*v2Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(t.ctx, "tcp", t.only().Endpoint())
	if err != nil {
		return nil, err
	}
	return &v2Conn{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// call makes a request and reads its whole answer.
func (c *v2Conn) call(method, path, form string) error {
	if err := c.send(method, path, form); err != nil {
		return err
	}
	length, err := c.head()
	if err != nil {
		return err
	}
	return c.body(length)
}

func (c *v2Conn) send(method, path, form string) error {
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: bench\r\n", method, path)
	if form != "" {
		c.out = fmt.Appendf(c.out, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(form))
	}
	c.out = append(append(c.out, "\r\n"...), form...)
	_, err := c.Write(c.out)
	return err
}

// head reads the headers of an answer, and returns its length, -1 if it comes in chunks.
func (c *v2Conn) head() (int, error) {
	length := -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 20")):
			return 0, fmt.Errorf("answer %q", line)
		case len(line) == 0:
			return length, nil
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(line[len("Content-Length: "):])); err != nil {
				return 0, err
			}
		}
	}
}

func (c *v2Conn) body(length int) error {
	if length >= 0 {
		_, err := c.in.Discard(length)
		return err
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if _, err := c.in.Discard(int(size) + 2); err != nil || size == 0 {
			return err
		}
	}
}
