package access

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/prompt"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newUser(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user <subcommand>",
		Short: "List, add, look at, change and delete users",
		Long:  "List, add, look at, change and delete users. A user may do what their roles may do.",
	}
	cmd.AddCommand(
		newUserAdd(s), newUserGet(s), newPassword(s),
		word[*clientv3.AuthUserDeleteResponse]{
			use: "delete <user name>", short: "Delete a user", arguments: 1, wants: "user delete needs one argument, the user's name",
			request: func(ctx context.Context, client *clientv3.Client, args []string) (*clientv3.AuthUserDeleteResponse, error) {
				return client.UserDelete(ctx, args[0])
			},
			answer: func(r *clientv3.AuthUserDeleteResponse, args []string) output.Answer {
				return output.UserDeleted(args[0], r)
			},
		}.command(s),
		word[*clientv3.AuthUserListResponse]{
			use: "list", short: "Print the names of all users", wants: "user list takes no arguments",
			request: func(ctx context.Context, client *clientv3.Client, _ []string) (*clientv3.AuthUserListResponse, error) {
				return client.UserList(ctx)
			},
			answer: func(r *clientv3.AuthUserListResponse, _ []string) output.Answer { return output.Users(r) },
		}.command(s),
		word[*clientv3.AuthUserGrantRoleResponse]{
			use: "grant-role <user name> <role name>", short: "Give a user a role", arguments: 2, wants: "user grant-role needs two arguments, the user's name and the role's",
			request: func(ctx context.Context, client *clientv3.Client, args []string) (*clientv3.AuthUserGrantRoleResponse, error) {
				return client.UserGrantRole(ctx, args[0], args[1])
			},
			answer: func(r *clientv3.AuthUserGrantRoleResponse, args []string) output.Answer {
				return output.RoleGranted(args[0], args[1], r)
			},
		}.command(s),
		word[*clientv3.AuthUserRevokeRoleResponse]{
			use: "revoke-role <user name> <role name>", short: "Take a role from a user", arguments: 2, wants: "user revoke-role needs two arguments, the user's name and the role's",
			request: func(ctx context.Context, client *clientv3.Client, args []string) (*clientv3.AuthUserRevokeRoleResponse, error) {
				return client.UserRevokeRole(ctx, args[0], args[1])
			},
			answer: func(r *clientv3.AuthUserRevokeRoleResponse, args []string) output.Answer {
				return output.RoleRevoked(args[0], args[1], r)
			},
		}.command(s),
	)
	return cmd
}

// userAddFlags say where a new user's password comes from.
type userAddFlags struct {
	interactive bool
	password    string
	none        bool
}

func newUserAdd(s *shell.Shell) *cobra.Command {
	var f userAddFlags
	cmd := &cobra.Command{
		Use:   "add <user name or user:password> [options]",
		Short: "Add a user",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 1 {
				return exit.Withf(exit.Arguments, "user add needs one argument, the user's name")
			}
			name, password, err := f.credentials(call)
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.AuthUserAddResponse, error) {
				return client.UserAddWithOptions(ctx, name, password, &clientv3.UserAddOptions{NoPassword: f.none})
			})
			if err != nil {
				return err
			}
			return call.Print(output.UserAdded(name, answer))
		}),
	}
	cmd.Flags().BoolVar(&f.interactive, "interactive", true, "ask for the password, twice; otherwise a line of the standard input has it")
	cmd.Flags().StringVar(&f.password, "new-user-password", "", "the `password`")
	cmd.Flags().BoolVar(&f.none, "no-password", false, "the user has no password, and gets in by a certificate with this common name alone")
	return cmd
}

func (f *userAddFlags) credentials(call *shell.Call) (name, password string, err error) {
	name = call.Args[0]
	switch {
	case f.none:
		return name, "", nil
	case f.password != "":
		return name, f.password, nil
	}
	name, password, given := strings.Cut(name, ":")
	switch {
	case given && name == "":
		return "", "", exit.Withf(exit.Arguments, "empty user name is not allowed")
	case given:
		return name, password, nil
	}
	password, err = newUserPassword(call, name, f.interactive)
	return name, password, err
}

func newPassword(s *shell.Shell) *cobra.Command {
	var interactive bool
	cmd := &cobra.Command{
		Use:   "passwd <user name> [options]",
		Short: "Change a user's password",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 1 {
				return exit.Withf(exit.Arguments, "user passwd needs one argument, the user's name")
			}
			password, err := newUserPassword(call, call.Args[0], interactive)
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.AuthUserChangePasswordResponse, error) {
				return client.UserChangePassword(ctx, call.Args[0], password)
			})
			if err != nil {
				return err
			}
			return call.Print(output.PasswordChanged(answer))
		}),
	}
	cmd.Flags().BoolVar(&interactive, "interactive", true, "ask for the password, twice; otherwise a line of the standard input has it")
	return cmd
}

// newUserPassword asks twice for the password that a user is to have, or reads it off the standard input.
func newUserPassword(call *shell.Call, name string, interactive bool) (string, error) {
	in, out := call.Shell.Stdin, call.Shell.Stdout
	if !interactive {
		line, err := prompt.Line(in)
		return strings.TrimSpace(line), exit.With(exit.Arguments, err)
	}
	password, err := prompt.Password(in, out, "Password of "+name+": ")
	switch {
	case err != nil:
		return "", exit.With(exit.Arguments, err)
	case password == "":
		return "", exit.Withf(exit.Arguments, "empty password: with --no-password, a user gets in by certificate alone")
	}
	again, err := prompt.Password(in, out, "Type password of "+name+" again for confirmation: ")
	switch {
	case err != nil:
		return "", exit.With(exit.Arguments, err)
	case again != password:
		return "", exit.Withf(exit.Arguments, "given passwords are different")
	}
	return password, nil
}

func newUserGet(s *shell.Shell) *cobra.Command {
	var detail bool
	cmd := &cobra.Command{
		Use:   "get <user name> [options]",
		Short: "Print a user's roles",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 1 {
				return exit.Withf(exit.Arguments, "user get needs one argument, the user's name")
			}
			name := call.Args[0]
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.AuthUserGetResponse, error) {
				return client.UserGet(ctx, name)
			})
			if err != nil {
				return err
			}
			if !detail {
				return call.Print(output.User(name, answer))
			}
			call.Println("User:", name)
			for _, role := range answer.Roles {
				call.Println()
				granted, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.AuthRoleGetResponse, error) {
					return client.RoleGet(ctx, role)
				})
				if err != nil {
					return err
				}
				if err := call.Print(output.Role(role, granted)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&detail, "detail", false, "print what each of them may do")
	return cmd
}
