package shell

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// OwnGroup is the heading in the help below which commands stand that etcdctl has not.
const OwnGroup = "quorate"

// ownFlag marks flags that etcdctl has not, of commands that it has.
const ownFlag = "quorate"

// MarkOwn marks a flag as one that etcdctl has not.
func MarkOwn(cmd *cobra.Command, name string) {
	if err := cmd.Flags().SetAnnotation(name, ownFlag, []string{"true"}); err != nil {
		panic(err) // the flag is not there: an error in this program
	}
}

// IsOwn tells whether a flag is one that etcdctl has not.
func IsOwn(flag *pflag.Flag) bool { return flag.Annotations[ownFlag] != nil }

// Invoke calls a method of a service that etcd has not, by its full name. Where the store has it not either, the error says so.
func (c *Call) Invoke(ctx context.Context, client *clientv3.Client, method string, request, response any) error {
	err := client.ActiveConnection().Invoke(ctx, method, request, response)
	if status.Code(err) == codes.Unimplemented {
		service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
		return exit.Withf(exit.Failure, "%q needs %s, which the store at %s has not: it is etcd, or a Quorate of before there was such a service",
			c.words(), service, strings.Join(client.Endpoints(), ", "))
	}
	return err
}

// words are the command's without the program's name.
func (c *Call) words() string {
	_, words, _ := strings.Cut(c.Command.CommandPath(), " ")
	return words
}

// AskOwn is Ask for one call of a service that etcd has not.
func AskOwn[Resp any](c *Call, method string, request any) (*Resp, error) {
	return Ask(c, func(ctx context.Context, client *clientv3.Client) (*Resp, error) {
		response := new(Resp)
		return response, c.Invoke(ctx, client, method, request, response)
	})
}
