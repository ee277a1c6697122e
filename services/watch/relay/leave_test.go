package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// Goal: a watch that ends before its node was asked for it leaves nothing there ("subscriptions outlive their watches").
// Method: what a link has to send, for one that was asked for and one that was not.
func TestLeaveBeforeJoinIsSent(t *testing.T) {
	l := &link{filled: make(chan struct{}, 1)}
	join := func(id int64) { l.Join(&watchv1.Subscription{Id: id}) }
	join(1)
	require.Len(t, l.takeOut().GetJoin(), 1)
	join(2)
	l.Leave(1)
	l.Leave(2)
	request := l.takeOut()
	require.Empty(t, request.GetJoin())
	require.Equal(t, []int64{1}, request.GetLeave())
	require.Nil(t, l.takeOut())
}

// Goal: watches that end while their subscriptions still wait to be sent cost no look through all that wait ("200,000 watches that
// came and went at once held the relay for minutes"). Method: the order of those that stay, with others taken out of it.
func TestManyLeaveBeforeJoinIsSent(t *testing.T) {
	l := &link{filled: make(chan struct{}, 1)}
	const all = 3 * joinsMax
	for id := range int64(all) {
		l.Join(&watchv1.Subscription{Id: id})
	}
	l.askPosition(9)
	for id := range int64(all) {
		if id%3 != 0 {
			l.Leave(id)
		}
	}
	l.Join(&watchv1.Subscription{Id: all})
	var sent []int64
	position := int64(0)
	for request := l.takeOut(); request != nil; request = l.takeOut() {
		require.LessOrEqual(t, len(request.GetJoin()), joinsMax)
		require.Empty(t, request.GetLeave())
		require.Zero(t, position, "after all that begins")
		for _, subscription := range request.GetJoin() {
			sent = append(sent, subscription.GetId())
		}
		position = request.GetPositionAt()
	}
	require.EqualValues(t, 9, position)
	require.Len(t, sent, joinsMax+1)
	for i, id := range sent {
		require.EqualValues(t, 3*i, id)
	}
	require.Empty(t, l.out.order)
}
