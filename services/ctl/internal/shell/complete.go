package shell

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

const (
	// completionMax is how many keys a shell is offered, and completionTimeout how long it waits for them.
	completionMax     = 200
	completionTimeout = time.Second
)

// CompleteKeys has the shell offer keys for a command's first argument, level by level where the store can fold them. Whatever goes wrong, it
// offers nothing: a prompt is no place for errors.
func (s *Shell) CompleteKeys(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, nothing
	}
	call := &Call{Command: cmd, Args: args, Shell: s}
	defer call.close()
	if call.Settle() != nil {
		return nil, nothing
	}
	if f := &s.flags; f.user != "" && f.password == "" && !strings.Contains(f.user, ":") {
		return nil, nothing // the password would be asked for
	}
	config, err := call.Config()
	if err != nil {
		return nil, nothing
	}
	config.DialTimeout = completionTimeout
	client, err := call.Dial(config)
	if err != nil {
		return nil, nothing
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	return keysFor(ctx, client, begun)
}

// keysFor lists what begins so, up to the next slash.
func keysFor(ctx context.Context, client *clientv3.Client, begun string) ([]string, cobra.ShellCompDirective) {
	directive := cobra.ShellCompDirectiveNoFileComp
	folded := &quoratev1.ChildrenResponse{}
	request := &quoratev1.ChildrenRequest{Prefix: []byte(begun), Delimiter: []byte("/"), Limit: completionMax, Serializable: true}
	if err := client.ActiveConnection().Invoke(ctx, "/quorate.v1.InspectService/Children", request, folded); err == nil {
		var names []string
		for _, child := range folded.GetChildren() {
			names = append(names, string(child.GetName()))
			if child.GetFolded() {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
		return offered(names), directive
	}
	found, err := client.Get(ctx, begun, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(completionMax), clientv3.WithSerializable())
	if err != nil {
		return nil, directive
	}
	var names []string
	for _, kv := range found.Kvs {
		names = append(names, string(kv.GetKey()))
	}
	return offered(names), directive
}

// offered leaves out what a shell cannot take as a word of a line: it would be taken apart.
func offered(names []string) []string {
	var fit []string
	for _, name := range names {
		if !bytes.ContainsAny([]byte(name), "\n\r\t\x00\x1b") {
			fit = append(fit, name)
		}
	}
	return fit
}
