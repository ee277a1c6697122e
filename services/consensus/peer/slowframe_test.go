package peer

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// pipes is a listener in memory, so that a test's time is not the machine's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Goal: a long frame does not pass for silence. Method: a sender by hand that needs three times the longest silence for
// one frame, a few bytes at a time, in a bubble of time.
func TestSlowFrameIsNotSilence(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		b := startNode(t, 0xb, nodeOptions{listener: listener, config: func(c *Config) {
			shortSilence(c)
			c.AdvertiseURLs, c.SnapshotDir = []string{"http://127.0.0.1:2380"}, dir
		}})
		b.SetPeers(byHand())
		a := &node{receiver: newFakeReceiver(0xa)}
		header := http.Header{}
		hello(0xa, 0xb).Write(header)
		conn := listener.dial()
		response := rawStreamOver(t, conn, header)
		var answered sync.WaitGroup
		defer answered.Wait()
		answered.Go(func() { _, _ = io.Copy(io.Discard, response.Body) }) // a pipe holds nothing
		defer conn.Close()
		var w wire.FrameWriter
		w.Open(wire.FrameMessages)
		require.NoError(t, w.Message(appended(a, b, 1, 20*(32<<10))))
		w.Close()
		for part := range slices.Chunk(w.Bytes(), len(w.Bytes())/20+1) {
			<-time.After(3 * silenceMin / 20)
			_, err := conn.Write(part)
			require.NoError(t, err)
		}
		require.Equal(t, raftpb.MsgApp, await(t, b.receiver.messages).GetType())
	})
}
