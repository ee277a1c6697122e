package front

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// times are halfClosedIdle and unreadMax, and less in a test.
type times struct{ halfClosedIdle, unreadMax time.Duration }

// join copies both ways until both sides have said their last, or one of them fails. A side that has said its last may still
// be told something, which it must read, and which must go on coming.
func join(a, b *net.TCPConn, t times) {
	boundUnread(a, t.unreadMax)
	boundUnread(b, t.unreadMax)
	var ways sync.WaitGroup
	one := func(to, from *net.TCPConn) {
		err := copyAll(to, from, t.halfClosedIdle)
		if err == nil {
			err = to.CloseWrite() // the other direction may have more to say
		}
		if err == nil {
			err = to.SetReadDeadline(time.Now().Add(t.halfClosedIdle))
		}
		if err != nil {
			a.Close()
			b.Close()
		}
	}
	ways.Go(func() { one(a, b) })
	ways.Go(func() { one(b, a) })
	ways.Wait()
}

// copyAll copies until from has said its last. Where reading has a deadline, it is put off by idle as long as something came before it.
func copyAll(to, from *net.TCPConn, idle time.Duration) error {
	for {
		n, err := io.Copy(to, from)
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := from.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
	}
}
