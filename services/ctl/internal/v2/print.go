package v2

import (
	"encoding/json"

	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// deleted is the action after which there is no value to print.
const deleted = "delete"

// printAnswer prints an answer about a key in the format that --output asks for.
func printAnswer(call *shell.Call, r *client.Response) error {
	switch call.Format() {
	case output.Simple:
		if r.Action == deleted && r.PrevNode != nil {
			call.Println("PrevNode.Value:", r.PrevNode.Value)
			return nil
		}
		call.Println(r.Node.Value)
	case output.JSON:
		encoded, err := json.Marshal(r)
		if err != nil {
			return exit.With(exit.Failure, err)
		}
		call.Println(string(encoded))
	default:
		printExtended(call, r)
	}
	return nil
}

// printExtended prints a line for each property, an empty one, and the value.
func printExtended(call *shell.Call, r *client.Response) {
	call.Println("Key:", r.Node.Key)
	call.Println("Created-Index:", r.Node.CreatedIndex)
	call.Println("Modified-Index:", r.Node.ModifiedIndex)
	if r.PrevNode != nil {
		call.Println("PrevNode.Value:", r.PrevNode.Value)
	}
	call.Println("TTL:", r.Node.TTL)
	call.Println("Index:", r.Index)
	if r.Action != deleted {
		call.Println("")
		call.Println(r.Node.Value)
	}
}

// printChange prints an answer about what may be a directory, of which the format simple shows nothing.
func printChange(call *shell.Call, r *client.Response) error {
	if r.Node.Dir && call.Format() == output.Simple {
		return nil
	}
	return printAnswer(call, r)
}
