package batching

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// FuzzServe: whatever calls a node sends, serving them ends, and each that is a call of its own has one answer.
func FuzzServe(f *testing.F) {
	request, err := proto.Marshal(wrapperspb.String("hello"))
	require.NoError(f, err)
	for _, calls := range [][]*batchv1.Call{
		{{Id: 1, Method: "Echo", Request: request, Parts: true}, {Id: 2, Method: "Echo", Timeout: 1, Request: request}, {Id: 1}},
		{{Id: 3, Method: "None"}, {Id: 4, Method: "Echo", Request: []byte{0xff}}, {Id: 9}},
		{{Id: 1, Method: "Echo"}, {Id: 1, Method: "Echo"}},
	} {
		encoded, err := proto.Marshal(&consensusv1.BatchRequest{Calls: calls})
		require.NoError(f, err)
		f.Add(encoded)
	}
	methods := Methods{"Echo": Unary(nil, func(_ context.Context, text *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
		return text, nil
	})}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		message := &consensusv1.BatchRequest{}
		if proto.Unmarshal(encoded, message) != nil {
			return
		}
		stream := &oneMessage{calls: message.GetCalls(), left: map[uint64]int{}, done: make(chan struct{})}
		for _, call := range message.GetCalls() {
			if call.GetMethod() != "" {
				stream.wanted++
				stream.left[call.GetId()]++
			}
		}
		if stream.wanted == 0 {
			close(stream.done)
		}
		_ = methods.Serve(t.Context(), stream, func() bool { return true }, nil)
		for id, left := range stream.left {
			require.GreaterOrEqual(t, left, 0, "call %d has too many answers", id)
		}
	})
}

// oneMessage is a stream of one message, which ends once that has its answers or is refused.
type oneMessage struct {
	calls  []*batchv1.Call
	sent   bool
	wanted int
	left   map[uint64]int
	done   chan struct{}
}

func (o *oneMessage) Receive() ([]*batchv1.Call, error) {
	if o.sent {
		<-o.done
		return nil, io.EOF
	}
	o.sent = true
	return o.calls, nil
}

func (o *oneMessage) Send(answers []*batchv1.Answer) error {
	for _, answer := range answers {
		if answer.GetMore() {
			continue
		}
		o.left[answer.GetId()]--
		if o.wanted--; o.wanted == 0 {
			close(o.done)
		}
	}
	return nil
}

func (*oneMessage) Changed() <-chan struct{} { return nil }
