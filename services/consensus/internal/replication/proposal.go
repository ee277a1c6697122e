package replication

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/deadline"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Proposal is one command on its way through the log, and the caller that waits for it.
type Proposal struct {
	command *consensusv1.Command
	// encoded goes once the command is in a log entry, which holds a copy; size is its length.
	encoded []byte
	size    int64
	// done receives the outcome once, and before it at the most once that the caller's time is up; its capacity is 2, so that a caller
	// that left blocks nobody.
	done chan outcome
	// bounded is the caller's time, where the clock of pending looks at it; nil where nobody need.
	bounded atomic.Pointer[deadline.Bounded]

	// kind is the command's, and submitted when it came.
	kind      Kind
	submitted time.Time

	// answered says that the outcome was received, by the caller, whose field it is.
	answered bool

	// place and batch belong to proposals.
	place place
	batch *batch // where place is inBatch
}

// Submitted is when it came.
func (p *Proposal) Submitted() time.Time { return p.submitted }

// place is where in proposals one is.
type place int

const (
	nowhere place = iota // not added yet, or its caller left
	inLine               // waits to be put into a log entry
	inBatch              // is in a log entry, or was and is answered
)

// leave gives free what a proposal holds whose caller left the line.
func (p *Proposal) leave() {
	p.place, p.command, p.encoded = nowhere, nil, nil
}

// tellLate tells the caller, once, if its time is up.
func (p *Proposal) tellLate(now time.Time) {
	if bounded := p.bounded.Load(); bounded != nil && bounded.Over(now) {
		p.bounded.Store(nil)
		p.done <- outcome{late: true}
	}
}

type outcome struct {
	result *consensusv1.Result
	err    error
	late   bool // the caller's time is up: there is no outcome yet
}

func newProposal(command *consensusv1.Command) (*Proposal, error) {
	encoded, err := encodeCommand(command)
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	return &Proposal{command: command, encoded: encoded, size: int64(len(encoded)), kind: kindOf(command), submitted: time.Now(), done: make(chan outcome, 2)}, nil
}

// Field numbers of consensusv1.Command.
const (
	commandPut    protowire.Number = 1
	commandCaller protowire.Number = 15
)

// encodeCommand returns the encoding of a command. That of a put, which most are, is put together from its fields, in protobuf's order: of what a
// command may be protobuf asks reflection several times.
func encodeCommand(command *consensusv1.Command) ([]byte, error) {
	put, caller := command.GetPut(), command.GetCaller()
	if put == nil || len(command.ProtoReflect().GetUnknown()) > 0 {
		return proto.Marshal(command)
	}
	if caller == nil {
		return appendField(make([]byte, 0, sizeOfField(commandPut, put)), commandPut, put)
	}
	b := make([]byte, 0, sizeOfField(commandCaller, caller)+sizeOfField(commandPut, put))
	b, err := appendField(b, commandCaller, caller)
	if err != nil {
		return nil, err
	}
	return appendField(b, commandPut, put)
}

func sizeOfField(number protowire.Number, message proto.Message) int {
	return protowire.SizeTag(number) + protowire.SizeBytes(proto.Size(message))
}

// appendField appends a message whose size was asked for.
func appendField(b []byte, number protowire.Number, message proto.Message) ([]byte, error) {
	sized := proto.MarshalOptions{UseCachedSize: true}
	b = protowire.AppendTag(b, number, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(sized.Size(message)))
	return sized.MarshalAppend(b, message)
}

func answerAll(proposals []*Proposal, err error) {
	for _, p := range proposals {
		p.done <- outcome{err: err}
	}
}

// Field numbers of consensusv1.LogEntry, which is put together from commands that are encoded already.
const (
	logEntryOrigin   protowire.Number = 1
	logEntrySequence protowire.Number = 2
	logEntryCommands protowire.Number = 3
	logEntryTime     protowire.Number = 4
)

// logEntryTimeAt is where in an entry the time stands: behind origin and sequence, each of a tag and eight bytes, and its own tag.
const logEntryTimeAt = 2*(1+8) + 1

// encodeLogEntry builds the encoding of a consensusv1.LogEntry around encoded commands, with room for the leader's time.
func encodeLogEntry(origin, sequence uint64, proposals []*Proposal) []byte {
	size := 40
	for _, p := range proposals {
		size += len(p.encoded) + 6
	}
	b := make([]byte, 0, size)
	b = protowire.AppendTag(b, logEntryOrigin, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, origin)
	b = protowire.AppendTag(b, logEntrySequence, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, sequence)
	b = protowire.AppendTag(b, logEntryTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 0)
	for _, p := range proposals {
		b = protowire.AppendTag(b, logEntryCommands, protowire.BytesType)
		b = protowire.AppendBytes(b, p.encoded)
	}
	return b
}

// stampLogEntry puts the time into an entry, in place. One that a member of before there were times has made stays as it is.
func stampLogEntry(data []byte, nanoseconds int64) {
	if room := logEntryTimeField(data); room != nil {
		binary.LittleEndian.PutUint64(room, uint64(nanoseconds))
	}
}

// logEntryStamp returns the time that stands in an entry, 0 where none does.
func logEntryStamp(data []byte) int64 {
	if room := logEntryTimeField(data); room != nil {
		return int64(binary.LittleEndian.Uint64(room))
	}
	return 0
}

// logEntryTimeField is the eight bytes of the time, nil where an entry has none.
func logEntryTimeField(data []byte) []byte {
	if _, _, ok := logEntryHeader(data); !ok || len(data) < logEntryTimeAt+8 ||
		data[logEntryTimeAt-1] != byte(protowire.EncodeTag(logEntryTime, protowire.Fixed64Type)) {
		return nil
	}
	return data[logEntryTimeAt : logEntryTimeAt+8]
}

// logEntryHeader reads origin and sequence, which encodeLogEntry puts first, without decoding the commands. ok is
// false where they do not stand there.
func logEntryHeader(data []byte) (origin, sequence uint64, ok bool) {
	number, kind, n := protowire.ConsumeTag(data)
	if n < 0 || number != logEntryOrigin || kind != protowire.Fixed64Type {
		return 0, 0, false
	}
	origin, m := protowire.ConsumeFixed64(data[n:])
	if m < 0 {
		return 0, 0, false
	}
	data = data[n+m:]
	number, kind, n = protowire.ConsumeTag(data)
	if n < 0 || number != logEntrySequence || kind != protowire.Fixed64Type {
		return 0, 0, false
	}
	sequence, m = protowire.ConsumeFixed64(data[n:])
	return origin, sequence, m >= 0
}
