// Package validation checks messages against the rules in proto/, for programs that serve other programs' services. It stands
// apart from package interceptor because what reads the rules is large: a store in one process does not link it.
package validation

import (
	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// Check refuses a message that breaks the rules in proto/, with connect.CodeInvalidArgument. It is an edge.Rules.
func Check(message proto.Message) error {
	if sound(message) {
		return nil
	}
	if err := protovalidate.GlobalValidator.Validate(message); err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	return nil
}
