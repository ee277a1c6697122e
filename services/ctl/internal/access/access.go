// Package access holds the commands about who may do what: authentication, users and roles.
package access

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// root is the user, and the role, without whom authentication cannot be enabled.
const root = "root"

// Commands are the package's commands.
func Commands(s *shell.Shell) []*cobra.Command {
	return []*cobra.Command{newAuth(s), newRole(s), newUser(s)}
}

// word is a command without arguments, or with so many, whose answer is all that it prints.
type word[R any] struct {
	use, short string
	arguments  int
	wants      string // what is said if there are more or fewer
	request    func(ctx context.Context, client *clientv3.Client, args []string) (R, error)
	answer     func(R, []string) output.Answer
}

func (w word[R]) command(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   w.use,
		Short: w.short,
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != w.arguments {
				return exit.Withf(exit.Arguments, "%s", w.wants)
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (R, error) {
				return w.request(ctx, client, call.Args)
			})
			if err != nil {
				return err
			}
			return call.Print(w.answer(answer, call.Args))
		}),
	}
}

func newAuth(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth <enable or disable>",
		Short: "Enable and disable authentication",
		Long:  "Enable and disable authentication. While it is enabled, only users get in, and each may do what their roles say.",
	}
	cmd.AddCommand(
		newAuthWord(s, "enable", "Enable authentication; there must be a user root", "Authentication Enabled", enable),
		newAuthWord(s, "disable", "Disable authentication: everybody may do everything", "Authentication Disabled",
			func(ctx context.Context, client *clientv3.Client) error {
				_, err := client.AuthDisable(ctx)
				return err
			}),
		word[*clientv3.AuthStatusResponse]{
			use: "status", short: "Say whether authentication is enabled", wants: "auth status takes no arguments",
			request: func(ctx context.Context, client *clientv3.Client, _ []string) (*clientv3.AuthStatusResponse, error) {
				return client.AuthStatus(ctx)
			},
			answer: func(r *clientv3.AuthStatusResponse, _ []string) output.Answer { return output.AuthStatus(r) },
		}.command(s),
	)
	return cmd
}

// newAuthWord is a word whose answer is the same line in every format.
func newAuthWord(s *shell.Shell, use, short, done string, request func(context.Context, *clientv3.Client) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 0 {
				return exit.Withf(exit.Arguments, "auth %s takes no arguments", use)
			}
			_, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (struct{}, error) {
				return struct{}{}, request(ctx, client)
			})
			if err != nil {
				return err
			}
			call.Println(done)
			return nil
		}),
	}
}

// enable enables authentication, and gives the user root its role first if it has not got it.
func enable(ctx context.Context, client *clientv3.Client) error {
	_, err := client.AuthEnable(ctx)
	if !errors.Is(err, rpctypes.ErrRootRoleNotExist) {
		return err
	}
	if _, err := client.RoleAdd(ctx, root); err != nil && !errors.Is(err, rpctypes.ErrRoleAlreadyExist) {
		return err
	}
	if _, err := client.UserGrantRole(ctx, root, root); err != nil {
		return err
	}
	_, err = client.AuthEnable(ctx)
	return err
}
