package calls

import (
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TransferIdleMax is how long a client may take nothing of a stream that was asked for once, a snapshot or a range: then it ends,
// and with it what is kept for it, a file as large as the state or a place that others wait for. Slow lines take a message of
// some KiB in less.
const TransferIdleMax = time.Minute

// errIdle is what a client is told that reads again after all.
var errIdle = status.Error(codes.DeadlineExceeded, "etcdserver: the stream was not read for "+TransferIdleMax.String())

// transfer is a stream to one client that goes one way.
type transfer struct {
	grpc.ServerStream
	once  sync.Once
	stuck chan struct{}
}

// SendMsg implements grpc.ServerStream.
func (t *transfer) SendMsg(message any) error {
	late := time.AfterFunc(TransferIdleMax, func() { t.once.Do(func() { close(t.stuck) }) })
	defer late.Stop()
	return t.ServerStream.SendMsg(message)
}

// runTransfer is RunStream for a stream that goes one way, and returns when its client takes nothing. grpc-go has no deadline
// for a message, but ends a stream when its interceptor returns: then the message that waits fails, and the handler ends.
func (c *Calls) runTransfer(m *Method, inner grpc.ServerStream, handle func(grpc.ServerStream) error) error {
	t := &transfer{ServerStream: inner, stuck: make(chan struct{})}
	done := make(chan error, 1)
	c.transfers.Go(func() { done <- c.RunStream(m, t, handle) })
	select {
	case err := <-done:
		return err
	case <-t.stuck:
		return errIdle
	}
}

// WaitTransfers waits for the handlers of streams whose clients took nothing. Call it when the connections are closed.
func (c *Calls) WaitTransfers() { c.transfers.Wait() }
