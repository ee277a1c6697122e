package consensus

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// sharedLog is a log that several goroutines write.
type sharedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Whoever refuses a change that could cost the quorum says in its log which members are the reason, while the caller gets
// etcd's error: a single member is asked for more, beside a voter that never starts.
func TestRefusedChangesAreExplained(t *testing.T) {
	log := &sharedLog{}
	cfg := testConfig(vfs.NewMem())
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	m := start(t, cfg)

	// The addition counts at once, so that nothing is decided any more: it is not waited for.
	go func() {
		_, _ = m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://absent"}})
	}()
	for len(m.members.List()) < 2 {
		require.NoError(t, t.Context().Err())
	}
	_, err := m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://more"}})
	require.ErrorIs(t, err, errdefs.ErrNotEnoughStarted)
	require.Contains(t, log.String(), "change=add")
	require.Contains(t, log.String(), "too few voters have ever started")
	_, err = m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://more"}, IsLearner: true})
	require.ErrorIs(t, err, errdefs.ErrUnhealthy)
	require.Contains(t, log.String(), "too few to be a quorum")
	require.NotContains(t, log.String(), "not-connected=[alone")
}
