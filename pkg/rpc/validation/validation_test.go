package validation

import (
	"math/rand/v2"
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// common are the messages that sound knows.
var common = []proto.Message{
	&consensusv1.BatchRequest{}, &leasev1.BatchRequest{}, &consensusv1.ProposeRequest{}, &consensusv1.RangeRequest{}, &leasev1.KeepAliveRequest{},
}

// Goal: what is passed without looking at the rules keeps them, and what breaks them is refused by them. Method: random messages of the
// kinds that are passed, most of whose fields have values at the edges of the rules.
func TestSoundMessagesKeepTheRules(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, kind := range common {
		passed, refused := 0, 0
		for range 20_000 {
			m := kind.ProtoReflect().New()
			fill(random, m, 4)
			broken := protovalidate.Validate(m.Interface())
			if sound(m.Interface()) {
				passed++
				require.NoError(t, broken, "%v", m)
			}
			err := Check(m.Interface())
			require.Equal(t, broken == nil, err == nil, "%v", m)
			if broken != nil {
				refused++
				require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
			}
		}
		_, batch := kind.(interface{ GetCalls() []*batchv1.Call })
		require.Positive(t, passed, "%T", kind)
		require.Equal(t, batch, refused == 0, "%T", kind)
	}
}

// fill gives the fields of a message random values, the messages in it down to a depth.
func fill(random *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		// Of a oneof the last one that is set counts: the first are those that sound knows.
		if random.IntN(8) == 0 || field.ContainingOneof() != nil && random.IntN(1+field.Index()) > 0 || field.Message() != nil && depth == 0 {
			continue
		}
		if !field.IsList() {
			m.Set(field, value(random, field, func() protoreflect.Value { return m.NewField(field) }, depth))
			continue
		}
		list := m.Mutable(field).List()
		n := random.IntN(3)
		if field.Kind() == protoreflect.Int64Kind && random.IntN(50) == 0 {
			n = leasesMax + random.IntN(2)
		}
		for range n {
			list.Append(value(random, field, list.NewElement, depth))
		}
	}
}

func value(random *rand.Rand, field protoreflect.FieldDescriptor, zero func() protoreflect.Value, depth int) protoreflect.Value {
	made := zero()
	switch field.Kind() {
	case protoreflect.MessageKind:
		fill(random, made.Message(), depth-1)
	case protoreflect.EnumKind:
		if random.IntN(8) == 0 {
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(random.IntN(9) - 2))
		}
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(1 + random.IntN(field.Enum().Values().Len()-1)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, min(1, random.IntN(16))))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("name"[:random.IntN(4)])
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(random.Int64N(4) - 1)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(random.Uint64N(3))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	}
	return made
}

// Goal: a rule that is added to a message that sound passes, or changed, is noticed. Method: all rules of all messages in those, but
// for what sound does not look into.
func TestRulesOfCommonMessages(t *testing.T) {
	rules, seen := map[string]string{}, map[protoreflect.FullName]bool{}
	for _, kind := range common {
		collect(rules, seen, kind.ProtoReflect().Descriptor())
	}
	require.Equal(t, map[string]string{
		"quorate.consensus.v1.Command.command":        "oneof required",
		"quorate.consensus.v1.Compare.key":            `bytes:{min_len:1}`,
		"quorate.consensus.v1.Compare.relation":       `enum:{defined_only:true not_in:0}`,
		"quorate.consensus.v1.Compare.target":         "oneof required",
		"quorate.consensus.v1.DeleteRangeOp.key":      `bytes:{min_len:1}`,
		"quorate.consensus.v1.Op.op":                  "oneof required",
		"quorate.consensus.v1.ProposeRequest.command": `required:true`,
		"quorate.consensus.v1.PutOp.key":              `bytes:{min_len:1}`,
		"quorate.consensus.v1.RangeOp.key":            `bytes:{min_len:1}`,
		"quorate.consensus.v1.RangeOp.sort_order":     `enum:{defined_only:true}`,
		"quorate.consensus.v1.RangeOp.sort_target":    `enum:{defined_only:true}`,
		"quorate.consensus.v1.RangeRequest.range":     `required:true`,
		"quorate.lease.v1.KeepAliveRequest.ids":       `repeated:{min_items:1 max_items:10000}`,
	}, rules)
	for last, all := range map[protoreflect.Enum]protoreflect.EnumDescriptor{
		consensusv1.RangeOp_SORT_ORDER_DESCEND: consensusv1.RangeOp_SortOrder(0).Descriptor(),
		consensusv1.RangeOp_SORT_TARGET_VALUE:  consensusv1.RangeOp_SortTarget(0).Descriptor(),
		consensusv1.Compare_RELATION_NOT_EQUAL: consensusv1.Compare_Relation(0).Descriptor(),
	} {
		require.EqualValues(t, all.Values().Len()-1, last.Number(), all.FullName())
	}
}

// collect notes the rules of a message and of those in it.
func collect(rules map[string]string, seen map[protoreflect.FullName]bool, d protoreflect.MessageDescriptor) {
	if seen[d.FullName()] {
		return
	}
	seen[d.FullName()] = true
	if proto.HasExtension(d.Options(), validate.E_Message) {
		rules[string(d.FullName())] = "of the whole message"
	}
	for i := range d.Oneofs().Len() {
		oneof := d.Oneofs().Get(i)
		if rule, ok := proto.GetExtension(oneof.Options(), validate.E_Oneof).(*validate.OneofRules); ok && rule.GetRequired() {
			rules[string(oneof.FullName())] = "oneof required"
		}
	}
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		if proto.HasExtension(field.Options(), validate.E_Field) {
			rules[string(field.FullName())] = text(proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules))
		}
		known := field.ContainingOneof() == nil || d.Name() != "Command" || field.Name() == "put" || field.Name() == "txn"
		if field.Message() != nil && known {
			collect(rules, seen, field.Message())
		}
	}
}

// text is a rule as prototext has it, whose spaces are random on purpose.
func text(rule proto.Message) string {
	return strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(rule)), " ")
}
