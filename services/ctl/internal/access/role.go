package access

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newRole(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "role <subcommand>",
		Short: "List, add, look at, change and delete roles",
		Long:  "List, add, look at, change and delete roles. A role is what its users may read and write.",
	}
	cmd.AddCommand(
		word[*clientv3.AuthRoleAddResponse]{
			use: "add <role name>", short: "Add a role, which may do nothing yet", arguments: 1, wants: "role add needs one argument, the role's name",
			request: func(ctx context.Context, client *clientv3.Client, args []string) (*clientv3.AuthRoleAddResponse, error) {
				return client.RoleAdd(ctx, args[0])
			},
			answer: func(r *clientv3.AuthRoleAddResponse, args []string) output.Answer {
				return output.RoleAdded(args[0], r)
			},
		}.command(s),
		word[*clientv3.AuthRoleDeleteResponse]{
			use: "delete <role name>", short: "Delete a role, and take it from its users", arguments: 1, wants: "role delete needs one argument, the role's name",
			request: func(ctx context.Context, client *clientv3.Client, args []string) (*clientv3.AuthRoleDeleteResponse, error) {
				return client.RoleDelete(ctx, args[0])
			},
			answer: func(r *clientv3.AuthRoleDeleteResponse, args []string) output.Answer {
				return output.RoleDeleted(args[0], r)
			},
		}.command(s),
		word[*clientv3.AuthRoleGetResponse]{
			use: "get <role name>", short: "Print what a role may do", arguments: 1, wants: "role get needs one argument, the role's name",
			request: func(ctx context.Context, client *clientv3.Client, args []string) (*clientv3.AuthRoleGetResponse, error) {
				return client.RoleGet(ctx, args[0])
			},
			answer: func(r *clientv3.AuthRoleGetResponse, args []string) output.Answer { return output.Role(args[0], r) },
		}.command(s),
		word[*clientv3.AuthRoleListResponse]{
			use: "list", short: "Print the names of all roles", wants: "role list takes no arguments",
			request: func(ctx context.Context, client *clientv3.Client, _ []string) (*clientv3.AuthRoleListResponse, error) {
				return client.RoleList(ctx)
			},
			answer: func(r *clientv3.AuthRoleListResponse, _ []string) output.Answer { return output.Roles(r) },
		}.command(s),
		newGrantPermission(s), newRevokePermission(s),
	)
	return cmd
}

// permissionFlags say which keys a permission is about.
type permissionFlags struct {
	prefix  bool
	fromKey bool
}

func (f *permissionFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.prefix, "prefix", false, "all keys that begin with the given one")
	flags.BoolVar(&f.fromKey, "from-key", false, "all keys from the given one on, in the order of bytes")
}

// allKeys is the empty key as the start of a range, and no end as the end of one.
const allKeys = "\x00"

// span makes a key and the end of a range of the arguments, a key and perhaps an end, and the flags.
func (f *permissionFlags) span(args []string) (key, end string, err error) {
	key = args[0]
	switch {
	case f.prefix && f.fromKey:
		return "", "", exit.Withf(exit.Arguments, "--from-key and --prefix flags are mutually exclusive")
	case key == "" && (f.prefix || f.fromKey):
		return allKeys, allKeys, nil
	case key == "":
		return allKeys, "", nil
	case len(args) > 1 && (f.prefix || f.fromKey):
		return "", "", exit.Withf(exit.Arguments, "unexpected endkey argument with --prefix or --from-key")
	case len(args) > 1:
		return key, args[1], nil
	case f.prefix:
		return key, clientv3.GetPrefixRangeEnd(key), nil
	case f.fromKey:
		return key, allKeys, nil
	}
	return key, "", nil
}

func newGrantPermission(s *shell.Shell) *cobra.Command {
	var f permissionFlags
	cmd := &cobra.Command{
		Use:   "grant-permission [options] <role name> <permission type> <key> [endkey]",
		Short: "Let a role read, write or readwrite a key, or the keys of a range",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) < 3 {
				return exit.Withf(exit.Arguments, "role grant-permission needs the role's name, read, write or readwrite, and a key; the end of a range may follow")
			}
			permission, err := clientv3.StrToPermissionType(call.Args[1])
			if err != nil {
				return exit.Withf(exit.Arguments, "%w: %q is not one of read, write and readwrite", err, call.Args[1])
			}
			key, end, err := f.span(call.Args[2:])
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.AuthRoleGrantPermissionResponse, error) {
				return client.RoleGrantPermission(ctx, call.Args[0], key, end, permission)
			})
			if err != nil {
				return err
			}
			return call.Print(output.PermissionGranted(call.Args[0], answer))
		}),
	}
	f.register(cmd.Flags())
	return cmd
}

func newRevokePermission(s *shell.Shell) *cobra.Command {
	var f permissionFlags
	cmd := &cobra.Command{
		Use:   "revoke-permission <role name> <key> [endkey]",
		Short: "Take a permission from a role: with the key, range or flags with which it was granted",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) < 2 {
				return exit.Withf(exit.Arguments, "role revoke-permission needs the role's name and a key; the end of a range may follow")
			}
			key, end, err := f.span(call.Args[1:])
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.AuthRoleRevokePermissionResponse, error) {
				return client.RoleRevokePermission(ctx, call.Args[0], key, end)
			})
			if err != nil {
				return err
			}
			return call.Print(output.PermissionRevoked(call.Args[0], call.Args[1], end, answer))
		}),
	}
	f.register(cmd.Flags())
	return cmd
}
