package natspublisher

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/nats-io/nats.go"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Headers of an event.
const (
	HeaderCluster          = "Quorate-Cluster"
	HeaderKey              = "Quorate-Key"
	HeaderType             = "Quorate-Type"
	HeaderRevision         = "Quorate-Revision"
	HeaderPreviousRevision = "Quorate-Previous-Revision"
	HeaderCreateRevision   = "Quorate-Create-Revision"
	HeaderVersion          = "Quorate-Version"
	HeaderLease            = "Quorate-Lease"
	HeaderValueBytes       = "Quorate-Value-Bytes"
)

// headerBytes is more than the headers of an event take beside its key.
const headerBytes = 1024

// Conn is a connection to NATS.
type Conn interface {
	PublishMsg(m *nats.Msg) error
}

// Publisher publishes events.
type Publisher struct {
	Logger *slog.Logger
	Conn   Conn
	// Cluster is the store's id.
	Cluster uint64
	// PayloadBytesMax is the largest message; a value that does not fit is left out.
	PayloadBytesMax int
}

// Commits publishes what commits changed, event by event. What fails is lost: subscribers find out by the revisions.
func (p *Publisher) Commits(commits []*consensusv1.Commit) {
	for _, commit := range commits {
		for i, event := range commit.Events {
			if err := p.Conn.PublishMsg(p.message(event, i)); err != nil {
				p.Logger.Warn("event not published to NATS clients", "revision", commit.Revision, "error", err)
			}
		}
	}
}

// Position publishes that everything up to a revision was published.
func (p *Publisher) Position(revision int64) {
	m := nats.NewMsg(PositionSubject)
	m.Header = nats.Header{HeaderCluster: {hex(p.Cluster)}, HeaderRevision: {decimal(revision)}}
	if err := p.Conn.PublishMsg(m); err != nil {
		p.Logger.Warn("position not published to NATS clients", "revision", revision, "error", err)
	}
}

// message makes the message of the event that is the one at place of its revision.
func (p *Publisher) message(event *consensusv1.Event, place int) *nats.Msg {
	kv := event.GetKv()
	m := nats.NewMsg(Subject(kv.GetKey()))
	m.Header = nats.Header{
		nats.MsgIdHdr:          {fmt.Sprintf("%x-%d-%d", p.Cluster, kv.GetModRevision(), place)},
		HeaderCluster:          {hex(p.Cluster)},
		HeaderKey:              {headerText(kv.GetKey())},
		HeaderType:             {event.GetType().String()},
		HeaderRevision:         {decimal(kv.GetModRevision())},
		HeaderPreviousRevision: {decimal(event.GetPrevKv().GetModRevision())},
	}
	if event.GetType() == consensusv1.Event_PUT {
		m.Header.Set(HeaderCreateRevision, decimal(kv.GetCreateRevision()))
		m.Header.Set(HeaderVersion, decimal(kv.GetVersion()))
		m.Header.Set(HeaderLease, hex(uint64(kv.GetLease())))
		if m.Data = kv.GetValue(); len(m.Data)+3*len(kv.GetKey())+headerBytes > p.PayloadBytesMax {
			m.Data = nil
			m.Header.Set(HeaderValueBytes, strconv.Itoa(len(kv.GetValue())))
		}
	}
	return m
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
func hex(n uint64) string    { return strconv.FormatUint(n, 16) }
