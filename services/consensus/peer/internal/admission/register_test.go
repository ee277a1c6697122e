package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

var self = Self{Cluster: 0xc1, Member: 0xb, Incarnation: 0xb1}

// hello is the greeting of a member to self, with its proof that it knows self's incarnation.
func hello(from, incarnation uint64, proven bool) wire.Greeting {
	g := wire.Greeting{
		Cluster: self.Cluster, From: from, To: self.Member, Incarnation: incarnation,
		Protocol: wire.ProtocolVersion, ProtocolMin: wire.ProtocolVersionMin,
	}
	if proven {
		g.Proof = g.Prove(self.Incarnation)
	}
	return g
}

// Goal: members are let in everywhere, those that prove themselves or are vouched for to streams only, and nobody else. Method:
// a greeting of each kind to a register with a member, one that was removed, and one that others know.
func TestWhoIsLetIn(t *testing.T) {
	r := NewRegister()
	r.Set([]*consensusv1.Member{{Id: 0xa, Incarnation: 7}, {Id: 0xb}, {Id: 0xdead}})
	r.Set([]*consensusv1.Member{{Id: 0xa, Incarnation: 7}, {Id: 0xb}})
	r.Vouch([]*consensusv1.Member{{Id: 0xa}, {Id: 0xe}, {Id: 0xdead}})
	tests := map[string]struct {
		greeting wire.Greeting
		who      Who
		reason   wire.RefusalReason // empty where it is let in
		ask      bool
	}{
		"member":                      {greeting: hello(0xa, 7, false)},
		"member without its data":     {greeting: hello(0xa, 0, false), reason: wire.RefusedStranger},
		"member with other data":      {greeting: hello(0xa, 8, false), reason: wire.RefusedBootstrapped},
		"removed":                     {greeting: hello(0xdead, 1, true), who: GuestsToo, reason: wire.RefusedRemoved},
		"stranger":                    {greeting: hello(0xf, 1, false), who: GuestsToo, reason: wire.RefusedStranger, ask: true},
		"stranger at a members' door": {greeting: hello(0xf, 1, false), reason: wire.RefusedStranger},
		"proven":                      {greeting: hello(0xf, 1, true), who: GuestsToo},
		"proven at a members' door":   {greeting: hello(0xf, 1, true), reason: wire.RefusedStranger},
		"vouched":                     {greeting: hello(0xe, 1, false), who: GuestsToo},
		"vouched at a members' door":  {greeting: hello(0xe, 1, false), reason: wire.RefusedStranger},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			refusal, ask := r.Admit(test.greeting, self, test.who)
			require.Equal(t, test.ask, ask)
			if test.reason == "" {
				require.Nil(t, refusal)
				return
			}
			require.NotNil(t, refusal)
			require.Equal(t, test.reason, refusal.Reason)
		})
	}
}

// Goal: a guest is one until it is a member or goes, and then nothing is left of it; who was removed is none. Method: each way.
func TestGuestsComeAndGo(t *testing.T) {
	r := NewRegister()
	r.Vouch([]*consensusv1.Member{{Id: 0xe}})
	require.True(t, r.Receive(0xe))
	require.True(t, r.IsGuest(0xe))
	require.Equal(t, uint64(0xe), r.Known(0xe))
	require.True(t, r.Dismiss(0xe))
	require.False(t, r.Dismiss(0xe))
	require.Zero(t, r.Known(0xe))
	require.Equal(t, strangers, r.Label(0xe))

	require.True(t, r.Receive(0xe))
	r.Set([]*consensusv1.Member{{Id: 0xe}})
	require.False(t, r.IsGuest(0xe))
	require.False(t, r.Receive(0xe))
	require.Empty(t, r.Remove([]uint64{0xe}), "a member is not removed by an old list")
	r.Set(nil)
	require.False(t, r.Receive(0xe))
	require.True(t, r.Unwelcome(0xe, 0))
	require.Equal(t, []uint64{0xf}, r.Remove([]uint64{0xf}))
	require.False(t, r.Receive(0xf))
}

// Goal: what is kept of strangers is bounded, and so is how often others are asked about them. Method: vouch for many; ask again and
// again.
func TestStrangersLeaveLittle(t *testing.T) {
	r := NewRegister()
	for id := range uint64(10 * vouchedMax) {
		r.Vouch([]*consensusv1.Member{{Id: 1 + id}})
	}
	require.Len(t, r.vouched, vouchedMax)

	now := time.Unix(1, 0)
	require.True(t, r.Ask(now))
	require.False(t, r.Ask(now.Add(inquiryInterval-1)))
	require.True(t, r.Ask(now.Add(inquiryInterval)))
}
