package ingress

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
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

// serving runs a server for the length of a test, and returns what ends it and waits.
func serving(handler http.HandlerFunc, change func(*Config)) (listener *pipes, stop func() error) {
	cfg := Config{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), HTTP2: &http.HTTP2Config{}, Streams: Streams}
	if change != nil {
		change(&cfg)
	}
	listener = newPipes()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(cfg).Run(ctx, listener, nil) }()
	return listener, func() error {
		cancel()
		return <-ended
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestTimeout)
		return
	}
	_, _ = w.Write(body)
}

// Goal: a stop ends, whatever connections do, within the time to drain, and no handler runs after it. Method: in fake
// time, connections that stop in the middle of everything a connection can be in.
func TestStopEndsWhateverAConnectionDoes(t *testing.T) {
	for name, sent := range map[string]string{
		"nothing":                "",
		"half a head":            "POST / HTTP/1.1\r\nHost: x\r\n",
		"a body that is missing": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a body nobody reads":    "GET /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a stream":               "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a preface":              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a preface and settings": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"half of HTTP/2 headers": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x01\x83",
		"an answer nobody reads": "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var inside sync.WaitGroup
				listener, stop := serving(func(w http.ResponseWriter, r *http.Request) {
					inside.Add(1)
					defer inside.Done()
					switch r.URL.Path {
					case "/unread":
					case "/large":
						_, _ = w.Write(make([]byte, 1<<20))
					default:
						echo(w, r)
					}
				}, nil)
				conn := listener.dial()
				defer conn.Close()
				go func() { _, _ = io.WriteString(conn, sent) }()
				if !strings.Contains(sent, "/large") {
					go func() { _, _ = io.Copy(io.Discard, conn) }()
				}
				synctest.Wait()
				begun := time.Now()
				require.NoError(t, stop())
				require.LessOrEqual(t, time.Since(begun), DrainTimeout)
				inside.Wait()
			})
		})
	}
}

// Goal: whoever does not get to the end of a head or a body is let go, read or not, while the server runs; a stream and a
// request that waits long for its answer are not. Method: fake time, and what the client reads until its connection ends.
func TestConnectionsThatDoNotGetOnEnd(t *testing.T) {
	for name, c := range map[string]struct {
		sent  string
		takes time.Duration
		says  string
	}{
		"half a head":            {"POST / HTTP/1.1\r\nHost: x\r\n", HeadTimeout, ""},
		"a body that is missing": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", BodyTimeout, "408"},
		"a body nobody reads":    {"GET /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", BodyTimeout, "200"},
		"no further request":     {"GET /unread HTTP/1.1\r\nHost: x\r\n\r\n", IdleTimeout, "200"},
		"a long wait":            {"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", time.Hour + IdleTimeout, "waited"},
		"a stream":               {"POST /for-an-hour HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n", time.Hour, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener, stop := serving(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/unread":
					case "/wait":
						_, _ = io.ReadAll(r.Body)
						select {
						case <-time.After(time.Hour):
							_, _ = io.WriteString(w, "waited")
						case <-r.Context().Done():
							_, _ = io.WriteString(w, "gave up")
						}
					case "/for-an-hour":
						_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour))
						_, _ = io.ReadAll(r.Body)
					default:
						echo(w, r)
					}
				}, nil)
				conn := listener.dial()
				defer conn.Close()
				begun := time.Now()
				go func() { _, _ = io.WriteString(conn, c.sent) }()
				answer, _ := io.ReadAll(conn)
				const closing = time.Second // net/http waits a moment before it closes in a client's face
				require.InDelta(t, c.takes, time.Since(begun), float64(closing))
				require.Contains(t, string(answer), c.says)
				require.NoError(t, stop())
			})
		})
	}
}

// Goal: a body that comes slowly but steadily is taken. Method: a body at twice the least speed, for longer than one without a byte gets.
func TestSlowBodyIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, stop := serving(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil && n == 4*BodyBytesPerSecond*60 {
				_, _ = io.WriteString(w, "all of it")
			}
		}, nil)
		conn := listener.dial()
		defer conn.Close()
		var sending sync.WaitGroup
		sending.Go(func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 7864320\r\n\r\n")
			for range 120 {
				<-time.After(time.Second)
				_, _ = conn.Write(make([]byte, 2*BodyBytesPerSecond))
			}
		})
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(answer), "all of it")
		sending.Wait()
		require.NoError(t, stop())
	})
}

// Goal: connections are bounded: one too many takes the place of the one that is longest without a request, and is
// refused and counted where all are at work; a place that is given back is free. Method: two places.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connections := NewConnections(2, "a test's", slog.New(slog.DiscardHandler))
		release := make(chan struct{})
		listener, stop := serving(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/busy" {
				<-release
			}
		}, func(c *Config) { c.Connections = connections })
		open := func(request string) net.Conn {
			conn := listener.dial()
			go func() { _, _ = io.WriteString(conn, request) }()
			synctest.Wait()
			return conn
		}
		ended := func(conn net.Conn) bool {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := conn.Read(make([]byte, 1))
			return err == io.EOF
		}
		const busy = "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"
		silent := open("")
		<-time.After(time.Second)
		first := open(busy)
		second := open(busy)
		require.True(t, ended(silent))
		require.Equal(t, 2, connections.Open())
		require.True(t, ended(open(busy)))
		require.EqualValues(t, 2, connections.Refused())
		require.False(t, ended(first))
		require.NoError(t, second.Close())
		close(release)
		answer, err := http.ReadResponse(bufio.NewReader(withoutDeadline(first)), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		synctest.Wait()
		require.Equal(t, 1, connections.Open())
		require.NoError(t, first.Close())
		require.NoError(t, stop())
		require.Zero(t, connections.Open())
	})
}

// Goal: GHSA-6vch-q96h-7gc3: who shakes hands for ever, or says nothing, is bounded in time and in number, and takes no place
// of a client that has had a request. Method: a client between two requests; more silent connections than there is room; then
// the client's next request, one of another client, and the end of the silent ones, in fake time.
func TestGHSA6vchq96h7gc3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connections := NewConnections(6, "a test's", slog.New(slog.DiscardHandler))
		listener, stop := serving(func(http.ResponseWriter, *http.Request) {}, func(c *Config) { c.Connections = connections })
		ask := func(conn net.Conn) {
			t.Helper()
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.StatusCode)
			synctest.Wait()
		}
		idle := listener.dial()
		ask(idle)
		<-time.After(time.Second)
		begun := time.Now()
		silent := make([]net.Conn, 20)
		for i := range silent {
			silent[i] = listener.dial()
			synctest.Wait()
		}
		require.Equal(t, 1+3, connections.Open())
		require.EqualValues(t, 17, connections.Refused())
		ask(idle)
		other := listener.dial()
		ask(other)
		for _, conn := range silent {
			_, err := conn.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
		}
		require.Equal(t, HeadTimeout, time.Since(begun))
		ask(idle)
		ask(other)
		require.Equal(t, 2, connections.Open())
		require.NoError(t, stop())
		require.Zero(t, connections.Open())
	})
}

func withoutDeadline(conn net.Conn) net.Conn {
	_ = conn.SetReadDeadline(time.Time{})
	return conn
}

// Goal: requests under way are bounded over all connections, one more is told so, and one that ends makes room. Method: as many as may be that wait, one
// more, and one more after their end.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		wait := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-leave
			}
		}
		listener, stop := serving(wait, func(cfg *Config) { cfg.RequestsMax = 2 })
		ask := func(path string) (status func() int) {
			conn := listener.dial()
			_, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			require.NoError(t, err)
			return func() int {
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				require.NoError(t, answer.Body.Close())
				return answer.StatusCode
			}
		}
		first, second := ask("/wait"), ask("/wait")
		synctest.Wait()
		require.Equal(t, http.StatusTooManyRequests, ask("/")())
		close(leave)
		require.Equal(t, []int{http.StatusOK, http.StatusOK}, []int{first(), second()})
		synctest.Wait()
		require.Equal(t, http.StatusOK, ask("/")())
		require.NoError(t, stop())
	})
}

// Goal: requests of one connection cost others no place. Method: one of HTTP/2 with as many that wait as it gets, and another client's request.
func TestRequestsOfAConnectionLeavePlacesForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		wait := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-leave
			}
		}
		listener, stop := serving(wait, func(cfg *Config) { cfg.RequestsMax, cfg.HTTP2 = 4, &http.HTTP2Config{} })
		client := func() *http.Client {
			protocols := new(http.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			transport := &http.Transport{Protocols: protocols, DialContext: func(context.Context, string, string) (net.Conn, error) { return listener.dial(), nil }}
			t.Cleanup(transport.CloseIdleConnections)
			return &http.Client{Transport: transport}
		}
		greedy, other := client(), client()
		status := func(of *http.Client, path string) int {
			answer, err := of.Get("http://h" + path)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			return answer.StatusCode
		}
		waited := make(chan int, 2)
		for range 2 {
			go func() { waited <- status(greedy, "/wait") }()
			synctest.Wait()
		}
		require.Equal(t, http.StatusTooManyRequests, status(greedy, "/"))
		require.Equal(t, http.StatusOK, status(other, "/"))
		close(leave)
		require.Equal(t, []int{http.StatusOK, http.StatusOK}, []int{<-waited, <-waited})
		require.Equal(t, http.StatusOK, status(greedy, "/"))
		greedy.CloseIdleConnections()
		other.CloseIdleConnections()
		require.NoError(t, stop())
	})
}
