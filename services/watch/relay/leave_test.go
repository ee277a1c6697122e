package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// Goal: a watch that ends before its node was asked for it leaves nothing there ("subscriptions outlive their watches").
// Method: what a link has to send, for one that was asked for and one that was not.
func TestLeaveBeforeJoinIsSent(t *testing.T) {
	l := &link{groups: map[int64]*group{}, filled: make(chan struct{}, 1)}
	join := func(id int64) {
		l.ask(func() { l.out.join = append(l.out.join, &watchv1.Subscription{Id: id}) })
	}
	join(1)
	require.Len(t, l.takeOut().GetJoin(), 1)
	join(2)
	l.leave(1)
	l.leave(2)
	request := l.takeOut()
	require.Empty(t, request.GetJoin())
	require.Equal(t, []int64{1}, request.GetLeave())
	require.Nil(t, l.takeOut())
}
