package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: a learner asks until it votes or is gone, says so, and says each reason once. Method: answers of a leader that is
// made up, and what the member knows of itself meanwhile.
func TestLearnerAsksUntilItVotes(t *testing.T) {
	votes, learns := &consensusv1.Member{}, &consensusv1.Member{IsLearner: true}
	tests := map[string]struct {
		self    *consensusv1.Member
		answers []error
		asked   int
		logged  string
	}{
		"a voter does nothing": {self: votes},
		"not a member":         {},
		"after a while": {
			self: learns, asked: 6, logged: "votes now",
			answers: []error{errdefs.ErrNoLeader, errdefs.ErrLearnerNotReady, errdefs.ErrLearnerNotReady, errdefs.ErrLeaderChanged, context.DeadlineExceeded, nil},
		},
		"somebody else promotes it": {self: learns, asked: 2, logged: "votes now", answers: []error{errdefs.ErrLearnerNotReady, fmt.Errorf("wrapped: %w", errdefs.ErrNotLearner)}},
		"it is removed":             {self: learns, asked: 1, logged: "was removed", answers: []error{errdefs.ErrMemberRemoved}},
		"a new leader is behind":    {self: learns, asked: 2, logged: "votes now", answers: []error{errdefs.ErrMemberNotFound, nil}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				asked := 0
				learner{
					log:  slog.New(slog.NewTextHandler(&log, nil)),
					self: func() *consensusv1.Member { return test.self },
					ask:  func(context.Context) error { asked++; return test.answers[asked-1] },
				}.run(t.Context())
				require.Equal(t, test.asked, asked)
				require.Contains(t, log.String(), test.logged)
				require.LessOrEqual(t, strings.Count(log.String(), errdefs.ErrLearnerNotReady.Error()), 1)
			})
		})
	}
}

// Goal: the end of the process ends the asking. Method: end it while the leader thinks, and between two questions.
func TestLearnerStopsAsking(t *testing.T) {
	for name, ask := range map[string]func(context.Context) error{
		"while it asks": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		"between":       func(context.Context) error { return errors.New("not yet") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					learner{
						log: slog.New(slog.DiscardHandler), ask: ask,
						self: func() *consensusv1.Member { return &consensusv1.Member{IsLearner: true} },
					}.run(ctx)
				}()
				synctest.Wait()
				cancel()
				<-ended
			})
		})
	}
}
