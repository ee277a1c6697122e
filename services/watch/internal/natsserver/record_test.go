package natsserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// directoryKeeper lets everybody in who says the password, to one directory.
type directoryKeeper struct{}

func (directoryKeeper) Admit(_, password string) (Rights, Standing, error) {
	if password != "right" {
		return Rights{}, Standing{}, errors.New("wrong")
	}
	return Rights{Directories: [][]byte{[]byte("a/b/")}}, Standing{Enabled: true, Revision: 7}, nil
}

// Goal: what is told of users before they hear of it is what becomes of it: log-ins, subscriptions in whatever way NATS may be asked for them,
// and connections that are ended; and what nobody can note is not allowed. Method: a log-in for each subject, the event beside NATS's answer;
// then users come in anew, and then nothing can be noted any more.
func TestUsersAreRecorded(t *testing.T) {
	var events struct {
		sync.Mutex
		seen []Event
	}
	var full atomic.Bool
	s, err := Start(Config{
		Logger: slog.New(slog.DiscardHandler), PayloadBytesMax: 1 << 20, PendingBytesMax: 16 << 20,
		Users: &Users{Listen: "127.0.0.1:0", Keeper: directoryKeeper{}, Record: func(e Event) error {
			if full.Load() {
				return errors.New("no room")
			}
			events.Lock()
			defer events.Unlock()
			events.seen = append(events.seen, e)
			return nil
		}},
	})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	take := func() (seen []Event) {
		events.Lock()
		defer events.Unlock()
		seen, events.seen = events.seen, nil
		return seen
	}
	own, err := s.Dial(PublisherUser)
	require.NoError(t, err)
	defer own.Close()

	_, err = nats.Connect(s.UsersAddress().String(), nats.UserInfo("ann", "wrong"))
	require.ErrorIs(t, err, nats.ErrAuthorization)
	refused := take()
	require.Len(t, refused, 1)
	require.True(t, refused[0].Refused && refused[0].User == "ann", "%+v", refused[0])

	const ann = `,"user":"ann","pass":"right"`
	ask := func(sent string) string {
		_, from := dialAs(t, s, ann, sent)
		return answered(t, from)
	}
	for _, subject := range []string{
		"quorate.kv.a.b.>", "quorate.kv.a.b.c", "quorate.kv.a.b.*", "quorate.kv.a.b.c.d queue", "quorate.position",
		"quorate.kv.a.b", "quorate.kv.a.>", "quorate.kv.a.*.c", "quorate.kv.*.b.c", "quorate.kv.a.bc", "quorate.long", "quorate.>", "*.kv.a.b.c", ">", "$SYS.>", "_INBOX.x",
	} {
		answer := ask("SUB " + subject + " 7\r\n")
		seen := take()
		require.Len(t, seen, 2, subject)
		require.Equal(t, Event{User: "ann", Peer: seen[0].Peer}, seen[0])
		_, _, err := net.SplitHostPort(seen[1].Peer)
		require.NoError(t, err)
		require.Equal(t, strings.Fields(subject)[0], seen[1].Subject)
		require.Equal(t, strings.HasPrefix(answer, "-ERR"), seen[1].Refused, "%s: %s", subject, answer)
	}

	require.Equal(t, "PONG", ask("SUB quorate.kv.a.b.> 1\r\nSUB quorate.position 2\r\n"))
	take()
	require.NoError(t, s.ReviewUsers(Standing{Enabled: true, Revision: 7}, true))
	seen := take()
	require.NotEmpty(t, seen)
	require.Equal(t, "[[[97 47 98 47] [97 47 98 48]] [[47 97 47 98 47] [47 97 47 98 48]]]", fmt.Sprint(seen[len(seen)-1].Ranges), "those of the last one")
	for _, e := range seen {
		require.True(t, e.Ended && e.User == "ann" && e.Subject == "", "%+v", e)
	}

	inside, from := dialAs(t, s, ann, "")
	require.Equal(t, "PONG", answered(t, from))
	full.Store(true)
	_, err = inside.Write([]byte("SUB quorate.kv.a.b.> 1\r\n"))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, from)
	require.NoError(t, err, "the connection has ended")
	require.Contains(t, ask(""), "Authorization Violation")
	require.NoError(t, own.Publish("quorate.kv.a.b.c", nil))
	require.NoError(t, own.Flush(), "this process's own connections are none of it")
}

// turningKeeper lets everybody in, as authentication stands, once somebody lets it.
type turningKeeper struct {
	asked  chan struct{}
	answer chan Standing
}

func (k turningKeeper) Admit(string, string) (Rights, Standing, error) {
	k.asked <- struct{}{}
	return Rights{Everything: true}, <-k.answer, nil
}

// Goal: a change ends the connections of those who came in before it, and no others: who came in after it stays though the change is told of later, and who
// is just coming in is asked about again, and not let in by rights of before, whoever tells of them. Method: a client of before a change, one of after it, one whose rights are
// looked up as it comes, and one that has connected and said nothing.
func TestAReviewEndsWhatWasBeforeTheChange(t *testing.T) {
	k := turningKeeper{make(chan struct{}), make(chan Standing)}
	s, err := Start(Config{
		Logger: slog.New(slog.DiscardHandler), PayloadBytesMax: 1 << 20, PendingBytesMax: 16 << 20, Users: &Users{Listen: "127.0.0.1:0", Keeper: k},
	})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	old, now := Standing{Revision: 8}, Standing{Enabled: true, Revision: 8}
	admit := func(from *bufio.Reader, at Standing) {
		<-k.asked
		k.answer <- at
		require.Equal(t, "PONG", answered(t, from))
	}
	_, before := dialAs(t, s, "", "")
	admit(before, old)
	after, fromAfter := dialAs(t, s, "", "")
	admit(fromAfter, now)
	silent, err := net.Dial("tcp", s.UsersAddress().String())
	require.NoError(t, err)
	defer silent.Close()
	_, coming := dialAs(t, s, "", "")
	<-k.asked
	require.NoError(t, s.ReviewUsers(now, false))
	k.answer <- old
	admit(coming, now)
	_, stale := dialAs(t, s, "", "")
	for range asksMax {
		<-k.asked
		k.answer <- old
	}
	require.Contains(t, answered(t, stale), "Authorization Violation")
	_, err = io.Copy(io.Discard, before)
	require.NoError(t, err, "it has ended")
	_, err = io.WriteString(after, "PING\r\n")
	require.NoError(t, err)
	require.Equal(t, "PONG", answered(t, fromAfter))
	_, err = io.WriteString(silent, "CONNECT {\"verbose\":false}\r\nPING\r\n")
	require.NoError(t, err)
	admit(bufio.NewReader(silent), now)

	require.NoError(t, s.ReviewUsers(now, true))
	_, err = io.Copy(io.Discard, fromAfter)
	require.NoError(t, err, "nobody stays where it is not known what has changed")
}
