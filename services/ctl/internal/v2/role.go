package v2

import (
	"context"
	"path"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// noRole is what is said where a role is to be named.
const noRole = "Please provide a role name"

func newRole(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{Use: "role", Short: "List, add, look at, change and remove roles"}
	cmd.AddCommand(
		word(s, "add <role>", "Add a role", 1, noRole, func(ctx context.Context, call *shell.Call, c *connection) error {
			role, api := call.Args[0], client.NewAuthRoleAPI(c)
			if there, err := api.GetRole(ctx, role); err == nil && there != nil {
				return complain(call, "Role %s already exists", role)
			}
			return done(call, api.AddRole(ctx, role), "Role %s created", role)
		}),
		word(s, "get <role>", "Print what a role may do", 1, noRole, printRole),
		word(s, "list", "Print the names of all roles", 0, noArguments, func(ctx context.Context, call *shell.Call, c *connection) error {
			roles, err := client.NewAuthRoleAPI(c).ListRoles(ctx)
			return printNames(call, roles, err)
		}),
		word(s, "remove <role>", "Remove a role", 1, noRole, func(ctx context.Context, call *shell.Call, c *connection) error {
			return done(call, client.NewAuthRoleAPI(c).RemoveRole(ctx, call.Args[0]), "Role %s removed", call.Args[0])
		}),
		newRolePaths(s, "grant", "Let a role read or write paths", "granted", client.AuthRoleAPI.GrantRoleKV),
		newRolePaths(s, "revoke", "Let a role no longer read or write paths", "revoked", client.AuthRoleAPI.RevokeRoleKV),
	)
	return cmd
}

func printRole(ctx context.Context, call *shell.Call, c *connection) error {
	role, err := client.NewAuthRoleAPI(c).GetRole(ctx, call.Args[0])
	if err != nil {
		return complain(call, "%v", err)
	}
	call.Println("Role:", role.Role)
	call.Println("KV Read:")
	for _, path := range role.Permissions.KV.Read {
		call.Println("\t" + path)
	}
	call.Println("KV Write:")
	for _, path := range role.Permissions.KV.Write {
		call.Println("\t" + path)
	}
	return nil
}

// roleChange is a call that changes what a role may do.
type roleChange func(api client.AuthRoleAPI, ctx context.Context, role string, paths []string, access client.PermissionType) (*client.Role, error)

// newRolePaths is a word that changes what a role may do; past is its participle.
func newRolePaths(s *shell.Shell, use, short, past string, change roleChange) *cobra.Command {
	var pattern string
	var read, write, both bool
	cmd := word(s, use+" <role> --path <path>", short, 1, noRole, func(ctx context.Context, call *shell.Call, c *connection) error {
		access, err := access(call, pattern, read, write, both)
		if err != nil {
			return err
		}
		role, api := call.Args[0], client.NewAuthRoleAPI(c)
		before, err := api.GetRole(ctx, role)
		if err != nil {
			return complain(call, "%v", err)
		}
		after, err := change(api, ctx, role, []string{pattern}, access)
		if err == nil && reflect.DeepEqual(before, after) {
			call.Printf("Role unchanged; already %s", past) // etcdctl has no end of line here
		}
		return done(call, err, "Role %s updated", role)
	})
	cmd.Flags().StringVar(&pattern, "path", "", "the `path`; with a * at its end, all paths that begin so")
	cmd.Flags().BoolVar(&read, "read", false, "reading alone")
	cmd.Flags().BoolVar(&write, "write", false, "writing alone")
	cmd.Flags().BoolVar(&both, "readwrite", false, "reading and writing")
	cmd.Flags().BoolVar(&both, "rw", false, "the same as --readwrite")
	return cmd
}

// access is what the flags of a word about paths say, if they are whole.
func access(call *shell.Call, pattern string, read, write, both bool) (client.PermissionType, error) {
	kind, given := client.ReadPermission, 0
	for _, flag := range []struct {
		set  bool
		kind client.PermissionType
	}{{read, client.ReadPermission}, {write, client.WritePermission}, {both, client.ReadWritePermission}} {
		if flag.set {
			kind = flag.kind
			given++
		}
	}
	switch clean := canonical(pattern); {
	case pattern == "":
		return kind, complain(call, "No path specified; please use `--path`")
	case clean != pattern:
		return kind, complain(call, "Not canonical path; please use `--path=%s`", clean)
	case given != 1:
		return kind, complain(call, "Please specify exactly one of --read, --write or --readwrite")
	}
	return kind, nil
}

// canonical is a path without what means nothing in it; a slash at its end stays.
func canonical(given string) string {
	clean := path.Clean("/" + given)
	if strings.HasSuffix(given, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}
