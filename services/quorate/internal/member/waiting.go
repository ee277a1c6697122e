package member

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus"
)

// waitingInterval is how often a member that cannot serve yet says what it waits for.
const waitingInterval = 5 * time.Second

// TellWhoIsMissing logs, until m serves, what it waits for, and which members it cannot reach since when. It returns once ctx ends.
func (p *Peers) TellWhoIsMissing(ctx context.Context, m *consensus.Member, log *slog.Logger) error {
	ticker := time.NewTicker(waitingInterval)
	defer ticker.Stop()
	started := time.Now()
	looked, missing := started, map[uint64]time.Time{}
	for {
		select {
		case <-ticker.C:
			p.tellMissing(ctx, m, log.With("for", time.Since(started).Round(time.Second)), looked, missing)
			looked = time.Now()
		case <-m.Ready():
			<-ctx.Done()
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// tellMissing logs one line; missing is since when members are, and was brought up to date at looked.
func (p *Peers) tellMissing(ctx context.Context, m *consensus.Member, log *slog.Logger, looked time.Time, missing map[uint64]time.Time) {
	listed, err := m.Members(ctx, &consensusv1.MembersRequest{Serializable: true})
	if err != nil {
		return // ctx has ended
	}
	var away []string
	for _, other := range listed.GetMembers() {
		id := other.GetId()
		if id == m.MemberID() {
			continue
		}
		if _, active := p.Transport.ActiveSince(id); active {
			delete(missing, id)
			continue
		}
		if missing[id].IsZero() {
			missing[id] = looked
		}
		away = append(away, fmt.Sprintf("%x at %s since %s", id, strings.Join(other.GetPeerUrls(), ","), missing[id].Format(time.RFC3339)))
	}
	leader, _ := m.Leader()
	what := "waiting to catch up with the leader"
	if leader == 0 {
		what = "waiting for a leader: a majority of the voting members must reach each other"
	}
	log.Warn(what, "members", len(listed.GetMembers()), "missing", away)
}
