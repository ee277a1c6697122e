package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: commands are encoded as protobuf does it, byte for byte, since each member decodes them and entries are compared. Method: puts with and without
// fields, with a caller, with a field that a newer program knows, and commands of other kinds.
func TestCommandsAreEncodedAsByProtobuf(t *testing.T) {
	put := func(op *consensusv1.PutOp, caller *consensusv1.Caller) *consensusv1.Command {
		return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: op}, Caller: caller}
	}
	newer := put(&consensusv1.PutOp{Key: []byte("k")}, nil)
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 100, protowire.VarintType), 7))
	for name, command := range map[string]*consensusv1.Command{
		"put":               {Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: make([]byte, 300), Lease: 5, PrevKv: true}}},
		"nothing put":       put(&consensusv1.PutOp{}, nil),
		"put by somebody":   put(&consensusv1.PutOp{Key: []byte("k")}, &consensusv1.Caller{Name: "alice"}),
		"put by an unknown": put(&consensusv1.PutOp{Key: []byte("k")}, &consensusv1.Caller{}),
		"put of later":      newer,
		"another":           {Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: 9}}, Caller: &consensusv1.Caller{Name: "bob"}},
		"a put without one": {Command: &consensusv1.Command_Put{}},
		"none":              {},
	} {
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(command)
		require.NoError(t, err, name)
		got, err := encodeCommand(command)
		require.NoError(t, err, name)
		require.Equal(t, want, append([]byte{}, got...), name)
	}
	_, err := encodeCommand(put(&consensusv1.PutOp{}, &consensusv1.Caller{Name: "\xff"}))
	require.Error(t, err, "no UTF-8")

	// A field that is added to all commands would be left out of puts.
	fields, beside := (&consensusv1.Command{}).ProtoReflect().Descriptor().Fields(), []protoreflect.Name(nil)
	for i := range fields.Len() {
		if fields.Get(i).ContainingOneof() == nil {
			beside = append(beside, fields.Get(i).Name())
		}
	}
	require.Equal(t, []protoreflect.Name{"caller"}, beside)
}

// A time is put into an entry in place, the entry reads as before otherwise, and one of a member that knows no times stays as it is.
func TestEntriesAreStampedInPlace(t *testing.T) {
	command := &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: []byte("v")}}}
	one, err := newProposal(command)
	require.NoError(t, err)
	entry := encodeLogEntry(7, 9, []*Proposal{one})
	require.Zero(t, logEntryStamp(entry))
	stampLogEntry(entry, 1_800_000_000_123_456_789)
	require.EqualValues(t, 1_800_000_000_123_456_789, logEntryStamp(entry))
	var decoded consensusv1.LogEntry
	require.NoError(t, proto.Unmarshal(entry, &decoded))
	require.EqualValues(t, 7, decoded.GetOrigin())
	require.EqualValues(t, 9, decoded.GetSequence())
	require.EqualValues(t, 1_800_000_000_123_456_789, decoded.GetTime())
	require.True(t, proto.Equal(command, decoded.GetCommands()[0]))

	decoded.Time = 0
	older, err := proto.Marshal(&decoded)
	require.NoError(t, err)
	kept := string(older)
	stampLogEntry(older, 5)
	require.Equal(t, kept, string(older))
	require.Zero(t, logEntryStamp(older))
	for n := range entry {
		stampLogEntry(entry[:n], 5) // of any length
		logEntryStamp(entry[:n])
	}
}
